"""What functions of numbers give at special points, typed by hand, as ``convention_values`` says."""

from __future__ import annotations

from typing import Final

FUNCTIONS: Final = """
# exp
0    | 1   | 1   | 1
-0.  | 1   | 1   | 1
inf  | inf | inf | inf
-inf | 0   | 0   | 0
nan  | nan | nan | nan
710  | inf | inf | inf
-746 | 0   | 0   | 0

# expm1
0    | 0   | 1   | 1
-0.  | -0. | 1   | 1
inf  | inf | inf | inf
-inf | -1  | 0   | 0
nan  | nan | nan | nan

# exp2
0    | 1   | ln2 | ln2*ln2
-0.  | 1   | ln2 | ln2*ln2
inf  | inf | inf | inf
-inf | 0   | 0   | 0
nan  | nan | nan | nan
1024 | inf | inf | inf

# log
0    | -inf | inf  | -inf
-0.  | -inf | -inf | -inf
inf  | inf  | 0    | 0
-inf | nan  | 0    | 0
nan  | nan  | nan  | nan
-1   | nan  | -1   | -1

# log1p
0    | 0    | 1   | -1
-0.  | -0.  | 1   | -1
inf  | inf  | 0   | 0
-inf | nan  | 0   | 0
nan  | nan  | nan | nan
-1   | -inf | inf | -inf
-2   | nan  | -1  | -1

# log2
0    | -inf | inf    | -inf
-0.  | -inf | -inf   | -inf
inf  | inf  | 0      | 0
-inf | nan  | 0      | 0
nan  | nan  | nan    | nan
-1   | nan  | -1/ln2 | -1/ln2

# log10
0    | -inf | inf     | -inf
-0.  | -inf | -inf    | -inf
inf  | inf  | 0       | 0
-inf | nan  | 0       | 0
nan  | nan  | nan     | nan
-1   | nan  | -1/ln10 | -1/ln10

# sqrt
0    | 0   | inf  | -inf
-0.  | -0. | -inf | inf
inf  | inf | 0    | 0
-inf | nan | nan  | nan
nan  | nan | nan  | nan
-1   | nan | nan  | nan

# sqrt1pm1
0    | 0   | .5  | -.25
-0.  | -0. | .5  | -.25
inf  | inf | 0   | 0
-inf | nan | nan | nan
nan  | nan | nan | nan
-1   | -1  | inf | -inf

# cbrt
0    | 0    | inf | -inf
-0.  | -0.  | inf | inf
inf  | inf  | 0   | 0
-inf | -inf | 0   | 0
nan  | nan  | nan | nan

# sin
0    | 0   | 1   | 0
-0.  | -0. | 1   | 0
inf  | nan | nan | nan
-inf | nan | nan | nan
nan  | nan | nan | nan

# cos
0    | 1   | 0   | -1
-0.  | 1   | 0   | -1
inf  | nan | nan | nan
-inf | nan | nan | nan
nan  | nan | nan | nan

# tan
0    | 0   | 1   | 0
-0.  | -0. | 1   | 0
inf  | nan | nan | nan
-inf | nan | nan | nan
nan  | nan | nan | nan

# asin
0    | 0     | 1   | 0
-0.  | -0.   | 1   | 0
inf  | nan   | nan | nan
-inf | nan   | nan | nan
nan  | nan   | nan | nan
1    | pi/2  | inf | nan
-1   | -pi/2 | inf | nan
1.5  | nan   | nan | nan
-1.5 | nan   | nan | nan

# acos
0    | pi/2 | -1   | 0
-0.  | pi/2 | -1   | 0
inf  | nan  | nan  | nan
-inf | nan  | nan  | nan
nan  | nan  | nan  | nan
1    | 0    | -inf | nan
-1   | pi   | -inf | nan
1.5  | nan  | nan  | nan
-1.5 | nan  | nan  | nan

# atan
0    | 0     | 1   | 0
-0.  | -0.   | 1   | 0
inf  | pi/2  | 0   | nan
-inf | -pi/2 | 0   | nan
nan  | nan   | nan | nan

# atan2
0, .5      | 0       | 2, 0     | 0, -4, 0
-0., .5    | -0.     | 2, 0     | 0, -4, 0
inf, .5    | pi/2    | 0, nan   | nan, 0, nan
-inf, .5   | -pi/2   | 0, nan   | nan, 0, nan
nan, .5    | nan     | nan, nan | nan, nan, nan
.5, 0      | pi/2    | 0, -2    | 0, 4, 0
.5, -0.    | pi/2    | 0, -2    | 0, 4, 0
.5, inf    | 0       | nan, 0   | nan, nan, nan
.5, -inf   | pi      | nan, 0   | nan, nan, nan
.5, nan    | nan     | nan, nan | nan, nan, nan
0, -.5     | pi      | -2, 0    | 0, -4, 0
-0., -.5   | -pi     | -2, 0    | 0, -4, 0
0, 0       | 0       | nan, nan | nan, nan, nan
0, -0.     | pi      | nan, nan | nan, nan, nan
-0., 0     | -0.     | nan, nan | nan, nan, nan
-0., -0.   | -pi     | nan, nan | nan, nan, nan
inf, inf   | pi/4    | nan, nan | nan, nan, nan
inf, -inf  | 3*pi/4  | nan, nan | nan, nan, nan
-inf, inf  | -pi/4   | nan, nan | nan, nan, nan
-inf, -inf | -3*pi/4 | nan, nan | nan, nan, nan

# sinh
0    | 0    | 1   | 0
-0.  | -0.  | 1   | 0
inf  | inf  | inf | inf
-inf | -inf | inf | -inf
nan  | nan  | nan | nan
711  | inf  | inf | inf

# cosh
0    | 1   | 0    | 1
-0.  | 1   | 0    | 1
inf  | inf | inf  | inf
-inf | inf | -inf | inf
nan  | nan | nan  | nan
711  | inf | inf  | inf

# tanh
0    | 0   | 1   | 0
-0.  | -0. | 1   | 0
inf  | 1   | 0   | 0
-inf | -1  | 0   | 0
nan  | nan | nan | nan

# asinh
0    | 0    | 1   | 0
-0.  | -0.  | 1   | 0
inf  | inf  | 0   | nan
-inf | -inf | 0   | nan
nan  | nan  | nan | nan

# acosh
0    | nan | nan | nan
-0.  | nan | nan | nan
inf  | inf | 0   | 0
-inf | nan | nan | nan
nan  | nan | nan | nan
1    | 0   | inf | -inf
.5   | nan | nan | nan

# atanh
0    | 0    | 1   | 0
-0.  | -0.  | 1   | 0
inf  | nan  | 0   | 0
-inf | nan  | 0   | 0
nan  | nan  | nan | nan
1    | inf  | inf | inf
-1   | -inf | inf | -inf
1.5  | nan  | -.8 | 1.92
-1.5 | nan  | -.8 | -1.92

# sinc_unnormalised
0    | 1   | 0   | -1/3
-0.  | 1   | 0   | -1/3
inf  | 0   | 0   | 0
-inf | 0   | 0   | 0
nan  | nan | nan | nan

# sinc_derivative
1, 0    | 0    | -1/3 | 0
1, -0.  | 0    | -1/3 | 0
1, inf  | 0    | 0    | 0
1, -inf | 0    | 0    | 0
1, nan  | nan  | nan  | nan
2, 0    | -1/3 | 0    | 1/5
-1, .5  | nan  | 2*sin(.5) | 2*cos(.5) - 4*sin(.5)

# exprel
0    | 1   | 1/2 | 1/3
-0.  | 1   | 1/2 | 1/3
inf  | inf | inf | inf
-inf | 0   | 0   | 0
nan  | nan | nan | nan

# exprel_derivative
1, 0    | 1/2 | 1/3 | 1/4
1, -0.  | 1/2 | 1/3 | 1/4
1, inf  | inf | inf | inf
1, -inf | 0   | 0   | 0
1, nan  | nan | nan | nan
-1, .5  | nan | 2*exp(.5) - 2 | 4 - 2*exp(.5)

# log1pmx
0    | 0    | 0   | -1
-0.  | 0    | 0   | -1
inf  | -inf | -1  | 0
-inf | nan  | nan | nan
nan  | nan  | nan | nan
-1   | -inf | inf | -inf
-2   | nan  | -2  | -1

# expm1mx
0    | 0   | 0   | 1
-0.  | 0   | 0   | 1
inf  | inf | inf | inf
-inf | inf | -1  | 0
nan  | nan | nan | nan

# sigmoid
0    | .5  | .25 | 0
-0.  | .5  | .25 | 0
inf  | 1   | 0   | 0
-inf | 0   | 0   | 0
nan  | nan | nan | nan

# softplus
0    | ln2 | .5  | .25
-0.  | ln2 | .5  | .25
inf  | inf | 1   | 0
-inf | 0   | 0   | 0
nan  | nan | nan | nan

# relu
0    | 0   | 0 | 0
-0.  | 0   | 0 | 0
inf  | inf | 1 | 0
-inf | 0   | 0 | 0
nan  | nan | 1 | 0

# erf
0    | 0   | 2/sqrt(pi) | 0
-0.  | -0. | 2/sqrt(pi) | 0
inf  | 1   | 0          | nan
-inf | -1  | 0          | nan
nan  | nan | nan        | nan

# erfc
0    | 1   | -2/sqrt(pi) | 0
-0.  | 1   | -2/sqrt(pi) | 0
inf  | 0   | 0           | nan
-inf | 2   | 0           | nan
nan  | nan | nan         | nan

# gamma
0    | inf  | -inf | inf
-0.  | -inf | -inf | -inf
inf  | inf  | inf  | nan
-inf | nan  | nan  | nan
nan  | nan  | nan  | nan
-1   | nan  | nan  | nan
172  | inf  | inf  | inf

# lgamma
0    | inf | -inf | inf
-0.  | inf | inf  | inf
inf  | inf | inf  | 0
-inf | inf | nan  | nan
nan  | nan | nan  | nan
-1   | inf | nan  | inf

# digamma
0    | -inf | inf | -inf
-0.  | inf  | inf | inf
inf  | inf  | 0   | 0
-inf | nan  | nan | nan
nan  | nan  | nan | nan
-1   | nan  | inf | nan

# polygamma
1, 0    | inf  | -inf            | inf
1, -0.  | inf  | inf             | inf
1, inf  | 0    | 0               | 0
1, -inf | nan  | nan             | nan
1, nan  | nan  | nan             | nan
0, 0    | -inf | inf             | -inf
1, -1   | inf  | nan             | inf
2, -1   | nan  | inf             | nan
2, 0    | -inf | inf             | -inf
2, -0.  | inf  | inf             | inf
-1, .5  | nan  | -euler - 2*ln2  | pi*pi/2

# xlogy
0, .5    | 0    | -ln2, 0     | 0, 2, 0
-0., .5  | 0    | -ln2, 0     | 0, 2, 0
inf, .5  | -inf | -ln2, inf   | 0, 2, -inf
-inf, .5 | inf  | -ln2, -inf  | 0, 2, inf
nan, .5  | nan  | -ln2, nan   | 0, 2, nan
.5, 0    | -inf | -inf, inf   | 0, inf, -inf
.5, -0.  | -inf | -inf, -inf  | 0, -inf, -inf
.5, inf  | inf  | inf, 0      | 0, 0, 0
.5, -inf | nan  | nan, 0      | 0, 0, 0
.5, nan  | nan  | nan, nan    | 0, nan, nan
0, 0     | 0    | -inf, 0     | 0, inf, 0
0, -.5   | 0    | nan, 0      | 0, -2, 0
0, inf   | 0    | inf, 0      | 0, 0, 0
0, nan   | nan  | nan, nan    | 0, nan, nan
.5, -.5  | nan  | nan, -1     | 0, -2, -2
inf, 0   | -inf | -inf, inf   | 0, inf, -inf

# abs
0    | 0   | 0   | 0
-0.  | 0   | 0   | 0
inf  | inf | 1   | 0
-inf | inf | -1  | 0
nan  | nan | nan | 0

# sign
0    | 0   | 0 | 0
-0.  | -0. | 0 | 0
inf  | 1   | 0 | 0
-inf | -1  | 0 | 0
nan  | nan | 0 | 0

# floor
0    | 0    | 0 | 0
-0.  | -0.  | 0 | 0
inf  | inf  | 0 | 0
-inf | -inf | 0 | 0
nan  | nan  | 0 | 0
1    | 1    | 0 | 0

# ceil
0    | 0    | 0 | 0
-0.  | -0.  | 0 | 0
inf  | inf  | 0 | 0
-inf | -inf | 0 | 0
nan  | nan  | 0 | 0
1    | 1    | 0 | 0
-.5  | -0.  | 0 | 0

# round
0    | 0    | 0 | 0
-0.  | -0.  | 0 | 0
inf  | inf  | 0 | 0
-inf | -inf | 0 | 0
nan  | nan  | 0 | 0
.5   | 0    | 0 | 0
2.5  | 2    | 0 | 0
1.5  | 2    | 0 | 0
-.5  | -0.  | 0 | 0

# min
0, .5    | 0    | 1, 0     | 0, 0, 0
-0., .5  | -0.  | 1, 0     | 0, 0, 0
inf, .5  | .5   | 0, 1     | 0, 0, 0
-inf, .5 | -inf | 1, 0     | 0, 0, 0
nan, .5  | nan  | nan, nan | 0, 0, 0
.5, 0    | 0    | 0, 1     | 0, 0, 0
.5, -0.  | -0.  | 0, 1     | 0, 0, 0
.5, inf  | .5   | 1, 0     | 0, 0, 0
.5, -inf | -inf | 0, 1     | 0, 0, 0
.5, nan  | nan  | nan, nan | 0, 0, 0
1, 1     | 1    | .5, .5   | 0, 0, 0
inf, inf | inf  | .5, .5   | 0, 0, 0
1, 1, 1  | 1    | 1/3, 1/3, 1/3 | 0, 0, 0, 0, 0, 0

# max
0, .5    | .5  | 0, 1     | 0, 0, 0
-0., .5  | .5  | 0, 1     | 0, 0, 0
inf, .5  | inf | 1, 0     | 0, 0, 0
-inf, .5 | .5  | 0, 1     | 0, 0, 0
nan, .5  | nan | nan, nan | 0, 0, 0
.5, 0    | .5  | 1, 0     | 0, 0, 0
.5, -0.  | .5  | 1, 0     | 0, 0, 0
.5, inf  | inf | 0, 1     | 0, 0, 0
.5, -inf | .5  | 1, 0     | 0, 0, 0
.5, nan  | nan | nan, nan | 0, 0, 0
1, 1     | 1   | .5, .5   | 0, 0, 0
inf, inf | inf | .5, .5   | 0, 0, 0
1, 1, 1  | 1   | 1/3, 1/3, 1/3 | 0, 0, 0, 0, 0, 0

# logaddexp
0, .5    | log(1 + exp(.5)) | 1/(1 + exp(.5)), 1/(1 + exp(-.5)) | .25/cosh(.25)**2, -.25/cosh(.25)**2, .25/cosh(.25)**2
-0., .5  | log(1 + exp(.5)) | 1/(1 + exp(.5)), 1/(1 + exp(-.5)) | .25/cosh(.25)**2, -.25/cosh(.25)**2, .25/cosh(.25)**2
inf, .5  | inf              | 1, 0                              | 0, 0, 0
-inf, .5 | .5               | 0, 1                              | 0, 0, 0
nan, .5  | nan              | nan, nan                          | nan, nan, nan
.5, 0    | log(1 + exp(.5)) | 1/(1 + exp(-.5)), 1/(1 + exp(.5)) | .25/cosh(.25)**2, -.25/cosh(.25)**2, .25/cosh(.25)**2
.5, -0.  | log(1 + exp(.5)) | 1/(1 + exp(-.5)), 1/(1 + exp(.5)) | .25/cosh(.25)**2, -.25/cosh(.25)**2, .25/cosh(.25)**2
.5, inf  | inf              | 0, 1                              | 0, 0, 0
.5, -inf | .5               | 1, 0                              | 0, 0, 0
.5, nan  | nan              | nan, nan                          | nan, nan, nan

# log1mexp
0    | -inf | inf  | nan
-0.  | -inf | -inf | -inf
inf  | nan  | nan  | nan
-inf | -0.  | 0    | 0
nan  | nan  | nan  | nan

# logexpm1
0    | -inf | inf  | -inf
-0.  | -inf | -inf | -inf
inf  | inf  | 1    | 0
-inf | nan  | 0    | nan
nan  | nan  | nan  | nan

# erfcx
0    | 1   | -2/sqrt(pi) | 2
-0.  | 1   | -2/sqrt(pi) | 2
inf  | 0   | 0           | 0
-inf | inf | -inf        | inf
nan  | nan | nan         | nan

# ierfcx
1, 0    | 2/sqrt(pi) | -2   | 8/sqrt(pi)
1, -0.  | 2/sqrt(pi) | -2   | 8/sqrt(pi)
1, inf  | 0          | 0    | 0
1, -inf | inf        | -inf | inf
1, nan  | nan        | nan  | nan

# logerfc
0    | -0.    | -2/sqrt(pi) | -4/pi
-0.  | 0      | -2/sqrt(pi) | -4/pi
inf  | -inf   | -inf        | nan
-inf | log(2) | 0           | nan
nan  | nan    | nan         | nan

# hypot
0, .5    | .5  | 0, 1     | 2, 0, 0
-0., .5  | .5  | 0, 1     | 2, 0, 0
inf, .5  | inf | nan, 0   | nan, nan, 0
-inf, .5 | inf | nan, 0   | nan, nan, 0
nan, .5  | nan | nan, nan | nan, nan, nan
.5, 0    | .5  | 1, 0     | 0, 0, 2
.5, -0.  | .5  | 1, 0     | 0, 0, 2
.5, inf  | inf | 0, nan   | 0, nan, nan
.5, -inf | inf | 0, nan   | 0, nan, nan
.5, nan  | nan | nan, nan | nan, nan, nan
0, 0     | 0   | 0, 0     | 0, 0, 0
0, -0.   | 0   | 0, 0     | 0, 0, 0
nan, inf | nan | nan, nan | nan, nan, nan
inf, nan | nan | nan, nan | nan, nan, nan
inf, inf | inf | nan, nan | nan, nan, nan

# clip
0, -1.5, 1.5    | 0    | 1, 0, 0 | 0, 0, 0, 0, 0, 0
-0., -1.5, 1.5  | -0.  | 1, 0, 0 | 0, 0, 0, 0, 0, 0
inf, -1.5, 1.5  | 1.5  | 0, 0, 1 | 0, 0, 0, 0, 0, 0
-inf, -1.5, 1.5 | -1.5 | 0, 1, 0 | 0, 0, 0, 0, 0, 0
nan, -1.5, 1.5  | nan  | 1, 0, 0 | 0, 0, 0, 0, 0, 0
.5, 0, 1.5      | .5   | 1, 0, 0 | 0, 0, 0, 0, 0, 0
.5, -0., 1.5    | .5   | 1, 0, 0 | 0, 0, 0, 0, 0, 0
.5, inf, 1.5    | 1.5  | 0, 0, 1 | 0, 0, 0, 0, 0, 0
.5, -inf, 1.5   | .5   | 1, 0, 0 | 0, 0, 0, 0, 0, 0
.5, nan, 1.5    | nan  | 1, 0, 0 | 0, 0, 0, 0, 0, 0
.5, -1.5, 0     | 0    | 0, 0, 1 | 0, 0, 0, 0, 0, 0
.5, -1.5, -0.   | -0.  | 0, 0, 1 | 0, 0, 0, 0, 0, 0
.5, -1.5, inf   | .5   | 1, 0, 0 | 0, 0, 0, 0, 0, 0
.5, -1.5, -inf  | -inf | 0, 0, 1 | 0, 0, 0, 0, 0, 0
.5, -1.5, nan   | nan  | 1, 0, 0 | 0, 0, 0, 0, 0, 0
-1, -1, 1       | -1   | 1, 0, 0 | 0, 0, 0, 0, 0, 0
1, -1, 1        | 1    | 1, 0, 0 | 0, 0, 0, 0, 0, 0
1, 1, 1         | 1    | 1, 0, 0 | 0, 0, 0, 0, 0, 0
2, 1, 1         | 1    | 0, 0, 1 | 0, 0, 0, 0, 0, 0
0, 1, 1         | 1    | 0, 1, 0 | 0, 0, 0, 0, 0, 0
0, 1, -1        | -1   | 0, 0, 1 | 0, 0, 0, 0, 0, 0
"""
