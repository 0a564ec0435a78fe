"""What operators give at special points, typed by hand: from C99 Annex F, IEEE 754-2019, limits, and rules for kinks.

One line a point: operands | value | derivatives | second derivatives (of x and y by xx, xy, yy). In the head of a block
the operator, and behind `constant` the places of operands that are constants of the program. A derivative that is NaN
is 0*inf, inf/inf or inf - inf in the operator's rule, or has NaN or a place without derivative in it.
"""

from __future__ import annotations

from typing import Final

NUMBERS: Final = """
# add
0, .5     | .5   | 1, 1 | 0, 0, 0
-0., .5   | .5   | 1, 1 | 0, 0, 0
inf, .5   | inf  | 1, 1 | 0, 0, 0
-inf, .5  | -inf | 1, 1 | 0, 0, 0
nan, .5   | nan  | 1, 1 | 0, 0, 0
.5, 0     | .5   | 1, 1 | 0, 0, 0
.5, -0.   | .5   | 1, 1 | 0, 0, 0
.5, inf   | inf  | 1, 1 | 0, 0, 0
.5, -inf  | -inf | 1, 1 | 0, 0, 0
.5, nan   | nan  | 1, 1 | 0, 0, 0
inf, -inf | nan  | 1, 1 | 0, 0, 0
-inf, inf | nan  | 1, 1 | 0, 0, 0
0, -0.    | 0    | 1, 1 | 0, 0, 0
-0., -0.  | -0.  | 1, 1 | 0, 0, 0

# sub
0, .5    | -.5  | 1, -1 | 0, 0, 0
-0., .5  | -.5  | 1, -1 | 0, 0, 0
inf, .5  | inf  | 1, -1 | 0, 0, 0
-inf, .5 | -inf | 1, -1 | 0, 0, 0
nan, .5  | nan  | 1, -1 | 0, 0, 0
.5, 0    | .5   | 1, -1 | 0, 0, 0
.5, -0.  | .5   | 1, -1 | 0, 0, 0
.5, inf  | -inf | 1, -1 | 0, 0, 0
.5, -inf | inf  | 1, -1 | 0, 0, 0
.5, nan  | nan  | 1, -1 | 0, 0, 0
inf, inf | nan  | 1, -1 | 0, 0, 0
0, 0     | 0    | 1, -1 | 0, 0, 0
-0., 0   | -0.  | 1, -1 | 0, 0, 0

# mul
0, .5    | 0    | .5, 0    | 0, 1, 0
-0., .5  | -0.  | .5, 0    | 0, 1, 0
inf, .5  | inf  | .5, inf  | 0, 1, 0
-inf, .5 | -inf | .5, -inf | 0, 1, 0
nan, .5  | nan  | .5, nan  | 0, 1, 0
.5, 0    | 0    | 0, .5    | 0, 1, 0
.5, -0.  | -0.  | 0, .5    | 0, 1, 0
.5, inf  | inf  | inf, .5  | 0, 1, 0
.5, -inf | -inf | -inf, .5 | 0, 1, 0
.5, nan  | nan  | nan, .5  | 0, 1, 0
0, inf   | nan  | inf, 0   | 0, 1, 0
inf, 0   | nan  | 0, inf   | 0, 1, 0

# div
0, .5    | 0    | 2, 0       | 0, -4, 0
-0., .5  | -0.  | 2, 0       | 0, -4, 0
inf, .5  | inf  | 2, -inf    | 0, -4, inf
-inf, .5 | -inf | 2, inf     | 0, -4, -inf
nan, .5  | nan  | 2, nan     | 0, -4, nan
.5, 0    | inf  | inf, -inf  | 0, -inf, inf
.5, -0.  | -inf | -inf, -inf | 0, -inf, -inf
.5, inf  | 0    | 0, 0       | 0, 0, 0
.5, -inf | -0.  | 0, 0       | 0, 0, 0
.5, nan  | nan  | nan, nan   | 0, nan, nan
0, 0     | nan  | inf, nan   | 0, -inf, nan
inf, inf | nan  | 0, nan     | 0, 0, nan
-.5, 0   | -inf | inf, inf   | 0, -inf, -inf

# floordiv
0, 2.25     | 0    | 0, 0 | 0, 0, 0
-0., 2.25   | -0.  | 0, 0 | 0, 0, 0
inf, 2.25   | nan  | 0, 0 | 0, 0, 0
-inf, 2.25  | nan  | 0, 0 | 0, 0, 0
nan, 2.25   | nan  | 0, 0 | 0, 0, 0
5.5, 0      | inf  | 0, 0 | 0, 0, 0
5.5, -0.    | -inf | 0, 0 | 0, 0, 0
5.5, inf    | 0    | 0, 0 | 0, 0, 0
5.5, -inf   | -1   | 0, 0 | 0, 0, 0
5.5, nan    | nan  | 0, 0 | 0, 0, 0
2, 1        | 2    | 0, 0 | 0, 0, 0
0, 1        | 0    | 0, 0 | 0, 0, 0
-5.5, 2.25  | -3   | 0, 0 | 0, 0, 0
0, 0        | nan  | 0, 0 | 0, 0, 0

# mod
0, 2.25     | 0    | 1, 0    | 0, 0, 0
-0., 2.25   | 0    | 1, 0    | 0, 0, 0
inf, 2.25   | nan  | 1, nan  | 0, 0, 0
-inf, 2.25  | nan  | 1, nan  | 0, 0, 0
nan, 2.25   | nan  | 1, nan  | 0, 0, 0
5.5, 0      | nan  | 1, -inf | 0, 0, 0
5.5, -0.    | nan  | 1, inf  | 0, 0, 0
5.5, inf    | 5.5  | 1, 0    | 0, 0, 0
5.5, -inf   | -inf | 1, 1    | 0, 0, 0
5.5, nan    | nan  | 1, nan  | 0, 0, 0
2, 1        | 0    | 1, -2   | 0, 0, 0
0, 1        | 0    | 1, 0    | 0, 0, 0
-2, 1       | 0    | 1, 2    | 0, 0, 0
-5.5, 2.25  | 1.25 | 1, 3    | 0, 0, 0

# neg
0    | -0.  | -1 | 0
-0.  | 0    | -1 | 0
inf  | -inf | -1 | 0
-inf | inf  | -1 | 0
nan  | nan  | -1 | 0

# pow
0, .5    | 0   | inf, 0     | -inf, nan, 0
-0., .5  | 0   | inf, 0     | -inf, nan, 0
inf, .5  | inf | 0, inf     | 0, 0, inf
-inf, .5 | inf | 0, nan     | 0, 0, nan
nan, .5  | nan | nan, nan   | nan, nan, nan
.5, 0    | 1   | 0, -ln2    | 0, 2, ln2*ln2
.5, -0.  | 1   | 0, -ln2    | 0, 2, ln2*ln2
.5, inf  | 0   | nan, 0     | nan, nan, 0
.5, -inf | inf | -inf, -inf | inf, inf, inf
.5, nan  | nan | nan, nan   | nan, nan, nan
0, 0     | 1    | 0, -inf    | 0, 0, inf
0, 1     | 0    | 1, 0       | 0, -inf, 0
0, 2     | 0    | 0, 0       | 2, 0, 0
-0., 2   | 0    | 0, 0       | 2, 0, 0
0, -1    | inf  | -inf, -inf | inf, inf, inf
-0., -1  | -inf | -inf, inf  | -inf, inf, -inf
-0., -2  | inf  | inf, -inf  | inf, -inf, inf
-0., 3   | -0.  | 0, 0       | 0, 0, 0
-2, 2    | 4    | -4, nan    | 2, nan, nan
-2, 3    | -8   | 12, nan    | -12, nan, nan
-2, -1   | -.5  | -.25, nan  | -.25, nan, nan
-2, .5   | nan  | nan, nan   | nan, nan, nan
-2, 0    | 1    | 0, nan     | 0, nan, nan
nan, 0   | 1    | nan, nan   | nan, nan, nan
inf, 0   | 1    | 0, inf     | 0, 0, inf
1, inf   | 1    | inf, 0     | inf, nan, 0
1, nan   | 1    | nan, 0     | nan, nan, 0
-1, inf  | 1    | inf, nan   | inf, nan, nan
0, inf   | 0    | nan, 0     | nan, nan, 0
0, -inf  | inf  | -inf, -inf | inf, inf, inf
2, inf   | inf  | inf, inf   | inf, inf, inf
2, -inf  | 0    | nan, 0     | nan, nan, 0
-inf, 3  | -inf | inf, nan   | -inf, nan, nan
-inf, -3 | -0.  | 0, 0       | 0, 0, nan

# pow constant 1
0, 0    | 1    | 0    | 0
nan, 0  | 1    | 0    | 0
0, 1    | 0    | 1    | 0
0, 2    | 0    | 0    | 2
-2, 2   | 4    | -4   | 2
0, 3    | 0    | 0    | 0
-2, 3   | -8   | 12   | -12
0, .5   | 0    | inf  | -inf
-0., .5 | 0    | inf  | -inf
0, 1.5  | 0    | 0    | inf
0, -1   | inf  | -inf | inf
-0., -1 | -inf | -inf | -inf

# pow constant 0
0, 2    | 0 | 0    | 0
0, 0    | 1 | -inf | inf
-2, 2   | 4 | nan  | nan
2, -inf | 0 | 0    | 0

# lt
0, .5     | 1
-0., .5   | 1
inf, .5   | 0
-inf, .5  | 1
nan, .5   | 0
.5, 0     | 0
.5, -0.   | 0
.5, inf   | 1
.5, -inf  | 0
.5, nan   | 0
0, -0.    | 0
inf, inf  | 0
nan, nan  | 0

# le
0, .5     | 1
-0., .5   | 1
inf, .5   | 0
-inf, .5  | 1
nan, .5   | 0
.5, 0     | 0
.5, -0.   | 0
.5, inf   | 1
.5, -inf  | 0
.5, nan   | 0
0, -0.    | 1
inf, inf  | 1
nan, nan  | 0

# gt
0, .5     | 0
-0., .5   | 0
inf, .5   | 1
-inf, .5  | 0
nan, .5   | 0
.5, 0     | 1
.5, -0.   | 1
.5, inf   | 0
.5, -inf  | 1
.5, nan   | 0
0, -0.    | 0
inf, inf  | 0
nan, nan  | 0

# ge
0, .5     | 0
-0., .5   | 0
inf, .5   | 1
-inf, .5  | 0
nan, .5   | 0
.5, 0     | 1
.5, -0.   | 1
.5, inf   | 0
.5, -inf  | 1
.5, nan   | 0
0, -0.    | 1
inf, inf  | 1
nan, nan  | 0

# eq
0, .5     | 0
-0., .5   | 0
inf, .5   | 0
-inf, .5  | 0
nan, .5   | 0
.5, 0     | 0
.5, -0.   | 0
.5, inf   | 0
.5, -inf  | 0
.5, nan   | 0
0, -0.    | 1
inf, inf  | 1
nan, nan  | 0

# ne
0, .5     | 1
-0., .5   | 1
inf, .5   | 1
-inf, .5  | 1
nan, .5   | 1
.5, 0     | 1
.5, -0.   | 1
.5, inf   | 1
.5, -inf  | 1
.5, nan   | 1
0, -0.    | 0
inf, inf  | 0
nan, nan  | 1

# select
1, 0, .5    | 0    | 1, 0 | 0, 0, 0
1, -0., .5  | -0.  | 1, 0 | 0, 0, 0
1, inf, .5  | inf  | 1, 0 | 0, 0, 0
1, -inf, .5 | -inf | 1, 0 | 0, 0, 0
1, nan, .5  | nan  | 1, 0 | 0, 0, 0
1, .5, 0    | .5   | 1, 0 | 0, 0, 0
1, .5, -0.  | .5   | 1, 0 | 0, 0, 0
1, .5, inf  | .5   | 1, 0 | 0, 0, 0
1, .5, -inf | .5   | 1, 0 | 0, 0, 0
1, .5, nan  | .5   | 1, 0 | 0, 0, 0
0, nan, .5  | .5   | 0, 1 | 0, 0, 0
0, -inf, .5 | .5   | 0, 1 | 0, 0, 0

# stop_gradient
0    | 0    | 0 | 0
-0.  | -0.  | 0 | 0
inf  | inf  | 0 | 0
-inf | -inf | 0 | 0
nan  | nan  | 0 | 0
.5   | .5   | 0 | 0
"""
