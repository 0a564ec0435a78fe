"""Test functions of global optimisation, as in M. Jamil and X.-S. Yang, "A literature survey of benchmark functions for
global optimisation problems", International Journal of Mathematical Modelling and Numerical Optimisation 4 (2013), who
name the origin of each, with the minima published there; then formulas of physics and identities of special functions.
"""

from __future__ import annotations

from typing import Any

from literature import Numbers, Problem
from mpmath import mp, mpf

# Functions of global optimisation -----------------------------------------------------------------------------------

_ACKLEY = "param x[n]\nf = -20*exp(-0.2*sqrt(mean(x^2))) - exp(mean(cos(2*pi*x))) + e + 20\noutput f"
_BRANIN = """param x[n]
f = (x[1] - 5.1/(4*pi^2)*x[0]^2 + 5/pi*x[0] - 6)^2 + 10*(1 - 1/(8*pi))*cos(x[0]) + 10
output f"""
_CAMEL = "param x[n]\nf = (4 - 2.1*x[0]^2 + x[0]^4/3)*x[0]^2 + x[0]*x[1] + (4*x[1]^2 - 4)*x[1]^2\noutput f"
_COLVILLE = """param x[n]
f = (100*(x[0]^2 - x[1])^2 + (x[0] - 1)^2 + (x[2] - 1)^2 + 90*(x[2]^2 - x[3])^2
     + 10.1*((x[1] - 1)^2 + (x[3] - 1)^2) + 19.8*(x[1] - 1)*(x[3] - 1))
output f"""
_DIXON_PRICE = "param x[n]\nf = (x[0] - 1)^2 + sum((i + 1)*(2*x[i]^2 - x[i-1])^2 for i in 1..n)\noutput f"
_EASOM = "param x[n]\nf = -cos(x[0])*cos(x[1])*exp(-(x[0] - pi)^2 - (x[1] - pi)^2)\noutput f"
_GOLDSTEIN = """param x[n]
a = 1 + (x[0] + x[1] + 1)^2*(19 - 14*x[0] + 3*x[0]^2 - 14*x[1] + 6*x[0]*x[1] + 3*x[1]^2)
b = 30 + (2*x[0] - 3*x[1])^2*(18 - 32*x[0] + 12*x[0]^2 + 48*x[1] - 36*x[0]*x[1] + 27*x[1]^2)
f = a*b
output f"""
_GRIEWANK = "param x[n]\nf = sum(x^2)/4000 - prod(cos(x[i]/sqrt(i + 1)) for i) + 1\noutput f"
_HARTMANN = """input a[m, n], p[m, n], c[m]
param x[n]
f = -sum(c[i]*exp(-sum(a[i, j]*(x[j] - p[i, j])^2 for j)) for i)
output f"""
_HIMMELBLAU = "param x[n]\nf = (x[0]^2 + x[1] - 11)^2 + (x[0] + x[1]^2 - 7)^2\noutput f"
_LEVY = """param x[n]
w = 1 + (x - 1)/4
f = (sin(pi*w[0])^2 + sum((w[i] - 1)^2*(1 + 10*sin(pi*w[i] + 1)^2) for i in 0..n-1)
     + (w[n-1] - 1)^2*(1 + sin(2*pi*w[n-1])^2))
output f"""
_MCCORMICK = "param x[n]\nf = sin(x[0] + x[1]) + (x[0] - x[1])^2 - 1.5*x[0] + 2.5*x[1] + 1\noutput f"
_MICHALEWICZ = "param x[n]\nf = -sum(sin(x[i])*sin((i + 1)*x[i]^2/pi)^20 for i)\noutput f"
_RASTRIGIN = "param x[n]\nf = 10*n + sum(x^2 - 10*cos(2*pi*x))\noutput f"
_SCHAFFER = "param x[n]\ns = x[0]^2 + x[1]^2\nf = 0.5 + (sin(x[0]^2 - x[1]^2)^2 - 0.5)/(1 + 0.001*s)^2\noutput f"
_SCHWEFEL = "param x[n]\nf = 418.9828872724338*n - sum(x*sin(sqrt(abs(x))))\noutput f"
_SHEKEL = "input a[m, n], c[m]\nparam x[n]\nf = -sum(1/(sum((x[j] - a[i, j])^2 for j) + c[i]) for i)\noutput f"
_STYBLINSKI = "param x[n]\nf = sum(x^4 - 16*x^2 + 5*x)/2\noutput f"
_TRID = "param x[n]\nf = sum((x - 1)^2) - sum(x[i]*x[i-1] for i in 1..n)\noutput f"
_ZAKHAROV = "param x[n]\ns = sum((i + 1)*x[i] for i)/2\nf = sum(x^2) + s^2 + s^4\noutput f"

_HARTMANN_3 = {
    "a": ((3.0, 10, 30), (0.1, 10, 35), (3.0, 10, 30), (0.1, 10, 35)),
    "p": ((0.3689, 0.117, 0.2673), (0.4699, 0.4387, 0.747), (0.1091, 0.8732, 0.5547), (0.0381, 0.5743, 0.8828)),
    "c": (1.0, 1.2, 3.0, 3.2),
}
_HARTMANN_6 = {
    "a": (
        (10.0, 3, 17, 3.5, 1.7, 8),
        (0.05, 10, 17, 0.1, 8, 14),
        (3, 3.5, 1.7, 10, 17, 8),
        (17, 8, 0.05, 10, 0.1, 14),
    ),
    "p": (
        (0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886),
        (0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991),
        (0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.665),
        (0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381),
    ),
    "c": (1.0, 1.2, 3.0, 3.2),
}
_SHEKEL_DATA = {
    "a": (
        (4.0, 4, 4, 4),
        (1, 1, 1, 1),
        (8, 8, 8, 8),
        (6, 6, 6, 6),
        (3, 7, 3, 7),
        (2, 9, 2, 9),
        (5, 5, 3, 3),
        (8, 1, 8, 1),
        (6, 2, 6, 2),
        (7, 3.6, 7, 3.6),
    ),
    "c": (0.1, 0.2, 0.2, 0.4, 0.4, 0.6, 0.3, 0.7, 0.5, 0.5),
}


def _mean(values: Any) -> Any:
    listed = list(values)
    return mp.fsum(listed) / len(listed)


def _ackley(x: Numbers) -> Any:
    first = -20 * mp.exp(mpf(-0.2) * mp.sqrt(_mean(v**2 for v in x)))
    return first - mp.exp(_mean(mp.cos(2 * mp.pi * v) for v in x)) + mp.e + 20


def _branin(x: Numbers) -> Any:
    inner = x[1] - mpf(5.1) / (4 * mp.pi**2) * x[0] ** 2 + 5 / mp.pi * x[0] - 6
    return inner**2 + 10 * (1 - 1 / (8 * mp.pi)) * mp.cos(x[0]) + 10


def _camel(x: Numbers) -> Any:
    return (4 - mpf(2.1) * x[0] ** 2 + x[0] ** 4 / 3) * x[0] ** 2 + x[0] * x[1] + (4 * x[1] ** 2 - 4) * x[1] ** 2


def _colville(x: Numbers) -> Any:
    squares = 100 * (x[0] ** 2 - x[1]) ** 2 + (x[0] - 1) ** 2 + (x[2] - 1) ** 2 + 90 * (x[2] ** 2 - x[3]) ** 2
    return squares + mpf(10.1) * ((x[1] - 1) ** 2 + (x[3] - 1) ** 2) + mpf(19.8) * (x[1] - 1) * (x[3] - 1)


def _dixon_price(x: Numbers) -> Any:
    return (x[0] - 1) ** 2 + mp.fsum((i + 1) * (2 * x[i] ** 2 - x[i - 1]) ** 2 for i in range(1, len(x)))


def _easom(x: Numbers) -> Any:
    return -mp.cos(x[0]) * mp.cos(x[1]) * mp.exp(-((x[0] - mp.pi) ** 2) - (x[1] - mp.pi) ** 2)


def _goldstein(x: Numbers) -> Any:
    a, b = x
    first = 1 + (a + b + 1) ** 2 * (19 - 14 * a + 3 * a**2 - 14 * b + 6 * a * b + 3 * b**2)
    return first * (30 + (2 * a - 3 * b) ** 2 * (18 - 32 * a + 12 * a**2 + 48 * b - 36 * a * b + 27 * b**2))


def _griewank(x: Numbers) -> Any:
    product = mp.fprod(mp.cos(v / mp.sqrt(i)) for i, v in enumerate(x, start=1))
    return mp.fsum(v**2 for v in x) / 4000 - product + 1


def _hartmann(data: dict[str, Any]) -> Any:
    def exact(x: Numbers) -> Any:
        rows = zip(data["a"], data["p"], data["c"], strict=True)
        return -mp.fsum(
            mpf(c) * mp.exp(-mp.fsum(mpf(s) * (v - mpf(q)) ** 2 for s, v, q in zip(a, x, p, strict=True)))
            for a, p, c in rows
        )

    return exact


def _himmelblau(x: Numbers) -> Any:
    return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2


def _levy(x: Numbers) -> Any:
    w = [1 + (v - 1) / 4 for v in x]
    middle = mp.fsum((v - 1) ** 2 * (1 + 10 * mp.sin(mp.pi * v + 1) ** 2) for v in w[:-1])
    return mp.sin(mp.pi * w[0]) ** 2 + middle + (w[-1] - 1) ** 2 * (1 + mp.sin(2 * mp.pi * w[-1]) ** 2)


def _mccormick(x: Numbers) -> Any:
    return mp.sin(x[0] + x[1]) + (x[0] - x[1]) ** 2 - mpf(1.5) * x[0] + mpf(2.5) * x[1] + 1


def _michalewicz(x: Numbers) -> Any:
    return -mp.fsum(mp.sin(v) * mp.sin(i * v**2 / mp.pi) ** 20 for i, v in enumerate(x, start=1))


def _rastrigin(x: Numbers) -> Any:
    return 10 * len(x) + mp.fsum(v**2 - 10 * mp.cos(2 * mp.pi * v) for v in x)


def _schaffer(x: Numbers) -> Any:
    half = mpf(1) / 2
    return half + (mp.sin(x[0] ** 2 - x[1] ** 2) ** 2 - half) / (1 + mpf(0.001) * (x[0] ** 2 + x[1] ** 2)) ** 2


def _schwefel(x: Numbers) -> Any:
    return mpf(418.9828872724338) * len(x) - mp.fsum(v * mp.sin(mp.sqrt(abs(v))) for v in x)


def _shekel(x: Numbers) -> Any:
    rows = zip(_SHEKEL_DATA["a"], _SHEKEL_DATA["c"], strict=True)
    return -mp.fsum(1 / (mp.fsum((v - mpf(a)) ** 2 for v, a in zip(x, row, strict=True)) + mpf(c)) for row, c in rows)


def _styblinski(x: Numbers) -> Any:
    return mp.fsum(v**4 - 16 * v**2 + 5 * v for v in x) / 2


def _trid(x: Numbers) -> Any:
    return mp.fsum((v - 1) ** 2 for v in x) - mp.fsum(x[i] * x[i - 1] for i in range(1, len(x)))


def _zakharov(x: Numbers) -> Any:
    s = mp.fsum(i * v for i, v in enumerate(x, start=1)) / 2
    return mp.fsum(v**2 for v in x) + s**2 + s**4


GLOBAL = (
    Problem("Ackley", _ACKLEY, (1.3, -0.4, 2.2), _ackley),
    Problem("Branin", _BRANIN, (3, 2), _branin, 0.397887, near=((-3, 12), (9, 2.5))),
    Problem("camel with six humps", _CAMEL, (0.1, -0.7), _camel, -1.03163, near=((1.6, 0.6),)),
    Problem("Colville", _COLVILLE, (0.5, 0.7, 1.2, 0.9), _colville, 0),
    Problem("Dixon and Price", _DIXON_PRICE, (1, 0.7, 0.6, 0.5), _dixon_price, 0, near=((-1, 2, 3, -4),)),
    Problem("Easom", _EASOM, (3, 3.3), _easom, -1, near=((1, 2),)),
    Problem("Goldstein and Price", _GOLDSTEIN, (0.1, -0.9), _goldstein, 3, near=((1, 0.5),)),
    Problem("Griewank", _GRIEWANK, (0.4, -0.3, 0.2), _griewank, 0, near=((100, 50, -10),)),
    Problem("Hartmann 3", _HARTMANN, (0.2, 0.5, 0.8), _hartmann(_HARTMANN_3), -3.86278, _HARTMANN_3),
    Problem("Hartmann 6", _HARTMANN, (0.2, 0.15, 0.5, 0.3, 0.3, 0.6), _hartmann(_HARTMANN_6), -3.32237, _HARTMANN_6),
    Problem("Himmelblau", _HIMMELBLAU, (2.5, 1.5), _himmelblau, 0, near=((-3, 3), (0, 0))),
    Problem("Levy", _LEVY, (1.2, 0.9, 1.1), _levy, 0, near=((-4, 3, 7),)),
    Problem("McCormick", _MCCORMICK, (0, 0), _mccormick, -1.9132229),
    Problem("Michalewicz", _MICHALEWICZ, (2.2, 1.55), _michalewicz, -1.8013, near=((0.5, 2.9),)),
    Problem("Rastrigin", _RASTRIGIN, (0.05, -0.02, 0.03), _rastrigin, 0, near=((4, -2.5, 1),)),
    Problem("Schaffer 2", _SCHAFFER, (0.2, -0.1), _schaffer, near=((10, -7),), cancels=0.5),
    Problem("Schwefel", _SCHWEFEL, (420, 421), _schwefel, near=((-300, 12.5),)),
    Problem("Shekel", _SHEKEL, (3.9, 4.1, 4, 4), _shekel, -10.5364, _SHEKEL_DATA, near=((1, 2, 3, 4),)),
    Problem(
        "Styblinski and Tang",
        _STYBLINSKI,
        (-2.5, -3),
        lambda x: mp.fsum(v**4 - 16 * v**2 + 5 * v for v in x) / 2,
        -78.3323,
    ),
    Problem("Trid", _TRID, (1, 2, 3, 4, 5, 6), _trid, -50),
    Problem("Zakharov", _ZAKHAROV, (0.5, -0.2, 0.1, 1), _zakharov, 0),
)

# Formulas of physics ------------------------------------------------------------------------------------------------

_PLANCK = """param x[n]
h = 6.62607015e-34
k = 1.380649e-23
c = 299792458.0
f = 2*h*x[0]^3/c^2/(exp(h*x[0]/(k*x[1])) - 1)
output f"""


def _planck(x: Numbers) -> Any:
    h, k, c = mpf(6.62607015e-34), mpf(1.380649e-23), mpf(299792458)
    return 2 * h * x[0] ** 3 / c**2 / (mp.exp(h * x[0] / (k * x[1])) - 1)


def _relativity(x: Numbers) -> Any:
    """The kinetic energy of a mass at a speed, with c = 299792458 m/s."""
    c = mpf(299792458)
    return x[0] * c**2 * (1 / mp.sqrt(1 - x[1] ** 2 / c**2) - 1)


def _mises(x: Numbers) -> Any:
    """The stress that R. von Mises compares with the yield strength (1913)."""
    a, b, c, p, q, r = x
    return mp.sqrt(((a - b) ** 2 + (b - c) ** 2 + (c - a) ** 2 + 6 * (p**2 + q**2 + r**2)) / 2)


def _morse(x: Numbers) -> Any:
    """The potential of P. M. Morse, Physical Review 34 (1929): depth, width, place of the minimum, distance."""
    return x[0] * (1 - mp.exp(-x[1] * (x[3] - x[2]))) ** 2


def _peng_robinson(x: Numbers) -> Any:
    """The pressure of D.-Y. Peng and D. B. Robinson (1976), of temperature and molar volume, for propane."""
    temperature, volume = x
    gas, critical, pressure, acentric = mpf(8.314462618), mpf(369.83), mpf(4.248e6), mpf(0.1523)
    b = mpf(0.0778) * gas * critical / pressure
    κ = mpf(0.37464) + mpf(1.54226) * acentric - mpf(0.26992) * acentric**2
    α = (1 + κ * (1 - mp.sqrt(temperature / critical))) ** 2
    a = mpf(0.45724) * gas**2 * critical**2 / pressure
    return gas * temperature / (volume - b) - a * α / (volume**2 + 2 * b * volume - b**2)


_PENG_ROBINSON = """param x[n]
T = x[0]
V = x[1]
R = 8.314462618
T_c = 369.83
p_c = 4.248e6
ω = 0.1523
b = 0.0778*R*T_c/p_c
κ = 0.37464 + 1.54226*ω - 0.26992*ω^2
α = (1 + κ*(1 - sqrt(T/T_c)))^2
a = 0.45724*R^2*T_c^2/p_c
f = R*T/(V - b) - a*α/(V^2 + 2*b*V - b^2)
output f"""

PHYSICS = (
    Problem("Planck", _PLANCK, (5e14, 5772.0), _planck, near=((3e13, 300),)),
    # In the limit of Rayleigh and Jeans the radiation is linear in T: the second derivative is what is left of terms
    # that are thousands of times larger.
    Problem("Planck at radio frequency", _PLANCK, (1e9, 2.7255), _planck, loses=4000),
    Problem(
        "kinetic energy",
        "param x[n]\nc = 299792458.0\nf = x[0]*c^2*(1/sqrt(1 - x[1]^2/c^2) - 1)\noutput f",
        (2.0, 2.5e8),
        _relativity,
        near=((1.0, 2.99e8),),
    ),
    Problem(
        "von Mises",
        "param x[n]\nf = sqrt(((x[0] - x[1])^2 + (x[1] - x[2])^2 + (x[2] - x[0])^2 + 6*(x[3]^2 + x[4]^2 + x[5]^2))/2)\n"
        "output f",
        (120, -40, 30, 25, 10, -5),
        _mises,
        near=((1, 1.5, 1, 0.1, 0, 1e-8),),
    ),
    Problem(
        "Morse",
        "param x[n]\nf = x[0]*(1 - exp(-x[1]*(x[3] - x[2])))^2\noutput f",
        (4.7446, 1.9425, 0.74144, 0.9),
        _morse,
        near=((4.7446, 1.9425, 0.74144, 5),),
    ),
    Problem("Peng and Robinson", _PENG_ROBINSON, (300, 0.002), _peng_robinson, near=((400, 2e-4),)),
)

# Identities of special functions ------------------------------------------------------------------------------------

IDENTITIES = (
    # What has to be 0 for all x, with its section in the Digital Library of Mathematical Functions (dlmf.nist.gov).
    ("DLMF 4.21.12", "sin(x)^2 + cos(x)^2 - 1", (0.3, 2, -7)),
    ("DLMF 4.35.11", "cosh(x)^2 - sinh(x)^2 - 1", (0.3, 2, -3)),
    ("DLMF 4.21.27", "sin(2*x) - 2*sin(x)*cos(x)", (0.3, 2, -7)),
    ("DLMF 4.24.9", "2*asin(x) - acos(1 - 2*x^2)", (0.2, 0.7)),
    ("DLMF 4.24.15", "atan(x) + atan(1/x) - pi/2", (0.2, 3)),
    ("DLMF 4.37.16", "asinh(x) - log(x + sqrt(x^2 + 1))", (0.2, 3)),
    ("DLMF 4.37.24", "atanh(x) - log((1 + x)/(1 - x))/2", (0.2, -0.7)),
    ("DLMF 5.5.1", "lgamma(x + 1) - log(x) - lgamma(x)", (0.4, 2.5, 30)),
    ("DLMF 5.5.2", "digamma(x + 1) - digamma(x) - 1/x", (0.4, 2.5, 30)),
    ("DLMF 5.5.3", "lgamma(x) + lgamma(1 - x) - log(pi/sin(pi*x))", (0.2, 0.8)),
    ("DLMF 5.5.4", "digamma(x) - digamma(1 - x) + pi/tan(pi*x)", (0.2, 0.8)),
    ("DLMF 5.5.5", "lgamma(2*x) - log(2)*(2*x - 1) + log(pi)/2 - lgamma(x) - lgamma(x + 0.5)", (0.4, 2.5)),
    ("DLMF 7.4.1", "erf(x) + erfc(x) - 1", (0.3, -1, 2)),
    ("DLMF 7.2.2", "erf(x) + erf(-x)", (0.3, 2)),
)
