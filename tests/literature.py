"""Test functions of the literature on optimisation: each as a program, and once more in Python on numbers of mpmath.

The problems 1 to 35 are those of J. J. Moré, B. S. Garbow and K. E. Hillstrom, "Testing unconstrained optimization
software", ACM Transactions on Mathematical Software 7 (1981), with their standard starting points and the minima that
are published there: sums of squares of the residuals that ``residuals`` gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mpmath import mp, mpf

Numbers = Sequence[Any]


@dataclass(frozen=True)
class Problem:
    """A function of a vector x: ``text`` computes f; ``exact`` is the same on numbers of mpmath.

    ``minimum`` is the published value at the minimum that a descent from ``start`` reaches, or None for what is not
    published or not reached; ``near`` are points, other than the start, at which the derivatives are compared too.
    """

    name: str
    text: str
    start: tuple[float, ...]
    exact: Callable[[Numbers], Any]
    minimum: float | None = None
    data: Mapping[str, Sequence[float]] = field(default_factory=dict)
    near: tuple[tuple[float, ...], ...] = ()
    # How large constants are that cancel in the value, and how many digits, as a factor, the formula's derivatives lose
    # by terms that cancel at one of the points.
    cancels: float = 0.0
    loses: float = 1.0


def _squares(residuals: Callable[[Numbers], list[Any]]) -> Callable[[Numbers], Any]:
    return lambda x: mp.fsum(r * r for r in residuals(x))


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split()]


def _exactly(values: Sequence[float]) -> list[Any]:
    return [mpf(value) for value in values]


# 1-7: two and three variables ----------------------------------------------------------------------------------------

_ROSENBROCK = "param x[n]\nf = (10*(x[1] - x[0]^2))^2 + (1 - x[0])^2\noutput f"
_FREUDENSTEIN = """param x[n]
a = -13 + x[0] + ((5 - x[1])*x[1] - 2)*x[1]
b = -29 + x[0] + ((x[1] + 1)*x[1] - 14)*x[1]
f = a^2 + b^2
output f"""
_POWELL_BAD = "param x[n]\nf = (1e4*x[0]*x[1] - 1)^2 + (exp(-x[0]) + exp(-x[1]) - 1.0001)^2\noutput f"
_BROWN_BAD = "param x[n]\nf = (x[0] - 1e6)^2 + (x[1] - 2e-6)^2 + (x[0]*x[1] - 2)^2\noutput f"
_BEALE = "input y[m]\nparam x[n]\nf = sum((y[i] - x[0]*(1 - x[1]^(i + 1)))^2 for i)\noutput f"
_JENNRICH = "param x[n]\nf = sum((2 + 2*i - (exp(i*x[0]) + exp(i*x[1])))^2 for i in 1..11)\noutput f"
_HELIX = """param x[n]
θ = atan(x[1]/x[0])/(2*pi) + (if x[0] > 0 then 0 else 0.5)
f = (10*(x[2] - 10*θ))^2 + (10*(hypot(x[0], x[1]) - 1))^2 + x[2]^2
output f"""


def _freudenstein(x: Numbers) -> list[Any]:
    return [
        -13 + x[0] + ((5 - x[1]) * x[1] - 2) * x[1],
        -29 + x[0] + ((x[1] + 1) * x[1] - 14) * x[1],
    ]


def _helix(x: Numbers) -> list[Any]:
    turn = mp.atan(x[1] / x[0]) / (2 * mp.pi)
    turn = turn if x[0] > 0 else turn + mpf(1) / 2
    return [10 * (x[2] - 10 * turn), 10 * (mp.sqrt(x[0] ** 2 + x[1] ** 2) - 1), x[2]]


# 8-12: fits with three parameters ------------------------------------------------------------------------------------

_BARD_DATA = _numbers(".14 .18 .22 .25 .29 .32 .35 .39 .37 .58 .73 .96 1.34 2.10 4.39")
_BARD = """input y[m]
param x[n]
f = sum((y[k] - (x[0] + (k + 1)/((15 - k)*x[1] + min(k + 1, 15 - k)*x[2])))^2 for k)
output f"""
_GAUSS_HALF = ".0009 .0044 .0175 .0540 .1295 .2420 .3521"
_GAUSS_DATA = [*_numbers(_GAUSS_HALF), 0.3989, *reversed(_numbers(_GAUSS_HALF))]
_GAUSS = "input y[m]\nparam x[n]\nf = sum((x[0]*exp(-x[1]*((7 - k)/2 - x[2])^2/2) - y[k])^2 for k)\noutput f"
_MEYER_DATA = _numbers("34780 28610 23650 19630 16370 13720 11540 9744 8261 7030 6005 5147 4427 3820 3307 2872")
_MEYER = "input y[m]\nparam x[n]\nf = sum((x[0]*exp(x[1]/(50 + 5*k + x[2])) - y[k])^2 for k)\noutput f"
_GULF = """param x[n]
f = sum((exp(-abs(25 + (-50*log(i/100))^(2/3) - x[1])^x[2]/x[0]) - i/100)^2 for i in 1..100)
output f"""
_BOX = """param x[n]
t[k] = (k + 1)/10 for k in 0..10
f = sum((exp(-t[k]*x[0]) - exp(-t[k]*x[1]) - x[2]*(exp(-t[k]) - exp(-10*t[k])))^2 for k)
output f"""


def _bard(x: Numbers) -> list[Any]:
    found = []
    for i, y in enumerate(_exactly(_BARD_DATA), start=1):
        v = 16 - i
        found.append(y - (x[0] + i / (v * x[1] + min(i, v) * x[2])))
    return found


def _gauss(x: Numbers) -> list[Any]:
    places = [mpf(8 - i) / 2 for i in range(1, 16)]
    data = _exactly(_GAUSS_DATA)
    return [x[0] * mp.exp(-x[1] * (t - x[2]) ** 2 / 2) - y for t, y in zip(places, data, strict=True)]


def _meyer(x: Numbers) -> list[Any]:
    return [x[0] * mp.exp(x[1] / (45 + 5 * i + x[2])) - y for i, y in enumerate(_exactly(_MEYER_DATA), start=1)]


def _gulf(x: Numbers) -> list[Any]:
    found = []
    for i in range(1, 100):
        t = mpf(i) / 100
        y = 25 + (-50 * mp.log(t)) ** (mpf(2) / 3)
        found.append(mp.exp(-(abs(y - x[1]) ** x[2]) / x[0]) - t)
    return found


def _box(x: Numbers) -> list[Any]:
    times = [mpf(i) / 10 for i in range(1, 11)]
    return [mp.exp(-t * x[0]) - mp.exp(-t * x[1]) - x[2] * (mp.exp(-t) - mp.exp(-10 * t)) for t in times]


# 13-20: four to eleven variables -------------------------------------------------------------------------------------

_POWELL = "param x[n]\nf = (x[0] + 10*x[1])^2 + 5*(x[2] - x[3])^2 + (x[1] - 2*x[2])^4 + 10*(x[0] - x[3])^4\noutput f"
_WOOD = """param x[n]
f = (100*(x[1] - x[0]^2)^2 + (1 - x[0])^2 + 90*(x[3] - x[2]^2)^2 + (1 - x[2])^2
     + 10*(x[1] + x[3] - 2)^2 + (x[1] - x[3])^2/10)
output f"""
_KOWALIK_DATA = _numbers(".1957 .1947 .1735 .1600 .0844 .0627 .0456 .0342 .0323 .0235 .0246")
_KOWALIK_PLACES = _numbers("4 2 1 .5 .25 .167 .125 .1 .0833 .0714 .0625")
_KOWALIK = """input y[m], u[m]
param x[n]
f = sum((y[i] - x[0]*(u[i]^2 + u[i]*x[1])/(u[i]^2 + u[i]*x[2] + x[3]))^2 for i)
output f"""
_BROWN_DENNIS = """param x[n]
t[k] = (k + 1)/5 for k in 0..20
f = sum(((x[0] + t[k]*x[1] - exp(t[k]))^2 + (x[2] + x[3]*sin(t[k]) - cos(t[k]))^2)^2 for k)
output f"""
_OSBORNE1_DATA = _numbers(
    ".844 .908 .932 .936 .925 .908 .881 .850 .818 .784 .751 .718 .685 .658 .628 .603 .580 .558 .538 .522 .506 .490 "
    ".478 .467 .457 .448 .438 .431 .424 .420 .414 .411 .406"
)
_OSBORNE1 = (
    "input y[m]\nparam x[n]\nf = sum((y[k] - (x[0] + x[1]*exp(-10*k*x[3]) + x[2]*exp(-10*k*x[4])))^2 for k)\noutput f"
)
_BIGGS = """param x[n]
t[k] = (k + 1)/10 for k in 0..13
model[k] = x[2]*exp(-t[k]*x[0]) - x[3]*exp(-t[k]*x[1]) + x[5]*exp(-t[k]*x[4])
f = sum((model[k] - (exp(-t[k]) - 5*exp(-10*t[k]) + 3*exp(-4*t[k])))^2 for k)
output f"""
_OSBORNE2_DATA = _numbers(
    "1.366 1.191 1.112 1.013 .991 .885 .831 .847 .786 .725 .746 .679 .608 .655 .616 .606 .602 .626 .651 .724 .649 "
    ".649 .694 .644 .624 .661 .612 .558 .533 .495 .500 .423 .395 .375 .372 .391 .396 .405 .428 .429 .523 .562 .607 "
    ".653 .672 .708 .633 .668 .645 .632 .591 .559 .597 .625 .739 .710 .729 .720 .636 .581 .428 .292 .162 .098 .054"
)
_OSBORNE2 = """input y[m]
param x[n]
fn bump(t, height, width, place) = height*exp(-(t - place)^2*width)
model[k] = (x[0]*exp(-k/10*x[4]) + bump(k/10, x[1], x[5], x[8]) + bump(k/10, x[2], x[6], x[9])
            + bump(k/10, x[3], x[7], x[10])) for k in 0..65
f = sum((y[k] - model[k])^2 for k)
output f"""
_WATSON = """param x[n]
r[i] = sum(j*x[j]*((i + 1)/29)^(j - 1) for j in 1..n) - sum(x[j]*((i + 1)/29)^j for j)^2 - 1 for i in 0..29
f = sum(r[i]^2 for i) + x[0]^2 + (x[1] - x[0]^2 - 1)^2
output f"""


def _kowalik(x: Numbers) -> list[Any]:
    pairs = zip(_exactly(_KOWALIK_DATA), _exactly(_KOWALIK_PLACES), strict=True)
    return [y - x[0] * (u**2 + u * x[1]) / (u**2 + u * x[2] + x[3]) for y, u in pairs]


def _brown_dennis(x: Numbers) -> list[Any]:
    times = [mpf(i) / 5 for i in range(1, 21)]
    return [(x[0] + t * x[1] - mp.exp(t)) ** 2 + (x[2] + x[3] * mp.sin(t) - mp.cos(t)) ** 2 for t in times]


def _osborne1(x: Numbers) -> list[Any]:
    return [
        y - (x[0] + x[1] * mp.exp(-10 * i * x[3]) + x[2] * mp.exp(-10 * i * x[4]))
        for i, y in enumerate(_exactly(_OSBORNE1_DATA))
    ]


def _biggs(x: Numbers) -> list[Any]:
    found = []
    for i in range(1, 14):
        t = mpf(i) / 10
        y = mp.exp(-t) - 5 * mp.exp(-10 * t) + 3 * mp.exp(-4 * t)
        found.append(x[2] * mp.exp(-t * x[0]) - x[3] * mp.exp(-t * x[1]) + x[5] * mp.exp(-t * x[4]) - y)
    return found


def _osborne2(x: Numbers) -> list[Any]:
    found = []
    for i, y in enumerate(_exactly(_OSBORNE2_DATA)):
        t = mpf(i) / 10
        model = x[0] * mp.exp(-t * x[4])
        for peak in range(3):
            model += x[1 + peak] * mp.exp(-((t - x[8 + peak]) ** 2) * x[5 + peak])
        found.append(y - model)
    return found


def _watson(x: Numbers) -> list[Any]:
    found = []
    for i in range(1, 30):
        t = mpf(i) / 29
        slope = mp.fsum(j * x[j] * t ** (j - 1) for j in range(1, len(x)))
        found.append(slope - mp.fsum(xj * t**j for j, xj in enumerate(x)) ** 2 - 1)
    return [*found, x[0], x[1] - x[0] ** 2 - 1]


# 21-35: as many variables as wanted ----------------------------------------------------------------------------------

_EXTENDED_ROSENBROCK = """param x[n]
f = sum((10*(x[2*i + 1] - x[2*i]^2))^2 + (1 - x[2*i])^2 for i in 0..3)
output f"""
_EXTENDED_POWELL = """param x[n]
fn term(a, b, c, d) = (a + 10*b)^2 + 5*(c - d)^2 + (b - 2*c)^4 + 10*(a - d)^4
f = sum(term(x[4*i], x[4*i + 1], x[4*i + 2], x[4*i + 3]) for i in 0..2)
output f"""
_PENALTY1 = "param x[n]\nf = 1e-5*sum((x - 1)^2) + (sum(x^2) - 0.25)^2\noutput f"
_PENALTY2 = """param x[n]
y[i] = exp((i + 1)/10) + exp(i/10) for i in 0..n
f = ((x[0] - 0.2)^2 + (sum((n - j)*x[j]^2 for j) - 1)^2
     + 1e-5*sum((exp(x[i]/10) + exp(x[i-1]/10) - y[i])^2 for i in 1..n)
     + 1e-5*sum((exp(x[i]/10) - exp(-0.1))^2 for i in 1..n))
output f"""
_VARIABLY = """param x[n]
s = sum((j + 1)*(x[j] - 1) for j)
f = sum((x - 1)^2) + s^2 + s^4
output f"""
_TRIGONOMETRIC = """param x[n]
f = sum((n - sum(cos(x)) + (i + 1)*(1 - cos(x[i])) - sin(x[i]))^2 for i)
output f"""
_ALMOST_LINEAR = """param x[n]
f = sum((x[i] + sum(x) - (n + 1))^2 for i in 0..n-1) + (prod(x) - 1)^2
output f"""
_BOUNDARY = """param x[n]
h = 1/(n + 1)
left[i] = if i > 0 then x[i-1] else 0 for i in 0..n
right[i] = if i < n - 1 then x[i+1] else 0 for i in 0..n
f = sum((2*x[i] - left[i] - right[i] + h^2*(x[i] + (i + 1)*h + 1)^3/2)^2 for i)
output f"""
_INTEGRAL = """param x[n]
h = 1/(n + 1)
t[i] = (i + 1)*h for i in 0..n
c[i] = (x[i] + t[i] + 1)^3
r[i] = x[i] + h*((1 - t[i])*sum(t[j]*c[j] for j if j <= i) + t[i]*sum((1 - t[j])*c[j] for j if j > i))/2
f = sum(r^2)
output f"""
_TRIDIAGONAL = """param x[n]
left[i] = if i > 0 then x[i-1] else 0 for i in 0..n
right[i] = if i < n - 1 then x[i+1] else 0 for i in 0..n
f = sum(((3 - 2*x[i])*x[i] - left[i] - 2*right[i] + 1)^2 for i)
output f"""
_BANDED = """param x[n]
r[i] = x[i]*(2 + 5*x[i]^2) + 1 - sum(x[j]*(1 + x[j]) for j if j != i and j >= i - 5 and j <= i + 1)
f = sum(r^2)
output f"""
_FULL_RANK = "param x[n]\ns = 2/(2*n)*sum(x)\nf = sum((x[i] - s - 1)^2 for i) + n*(s + 1)^2\noutput f"
_RANK_1 = """param x[n]
s = sum((j + 1)*x[j] for j)
f = sum((i*s - 1)^2 for i in 1..2*n+1)
output f"""
_RANK_1_ZEROS = """param x[n]
s = sum((j + 1)*x[j] for j in 1..n-1)
f = 2 + sum((i*s - 1)^2 for i in 1..2*n-1)
output f"""
_CHEBYQUAD = """param x[n]
before = [1.0 for j in 0..n]
now = [2*x[j] - 1 for j]
f = 0.0
for i in 1..n+1 {
    exact = if mod(i, 2) == 0 then -1/(i^2 - 1.0) else 0.0
    f = f + (mean(now) - exact)^2
    next = [2*(2*x[j] - 1)*now[j] - before[j] for j]
    before = now
    now = next
}
output f"""


def _extended_rosenbrock(x: Numbers) -> list[Any]:
    pairs = zip(x[::2], x[1::2], strict=True)
    return [r for a, b in pairs for r in (10 * (b - a**2), 1 - a)]


def _powell(x: Numbers) -> list[Any]:
    found = []
    for at in range(0, len(x), 4):
        a, b, c, d = x[at : at + 4]
        found += [a + 10 * b, mp.sqrt(5) * (c - d), (b - 2 * c) ** 2, mp.sqrt(10) * (a - d) ** 2]
    return found


def _wood(x: Numbers) -> list[Any]:
    return [
        10 * (x[1] - x[0] ** 2),
        1 - x[0],
        mp.sqrt(90) * (x[3] - x[2] ** 2),
        1 - x[2],
        mp.sqrt(10) * (x[1] + x[3] - 2),
        (x[1] - x[3]) / mp.sqrt(10),
    ]


_SMALL = mpf(1e-5)


def _penalty1(x: Numbers) -> list[Any]:
    return [*(mp.sqrt(_SMALL) * (each - 1) for each in x), mp.fsum(each**2 for each in x) - mpf(1) / 4]


def _penalty2(x: Numbers) -> list[Any]:
    n = len(x)
    found = [x[0] - mpf(0.2), mp.fsum((n - j) * x[j] ** 2 for j in range(n)) - 1]
    for i in range(1, n):
        y = mp.exp(mpf(i + 1) / 10) + mp.exp(mpf(i) / 10)
        found.append(mp.sqrt(_SMALL) * (mp.exp(x[i] / 10) + mp.exp(x[i - 1] / 10) - y))
        found.append(mp.sqrt(_SMALL) * (mp.exp(x[i] / 10) - mp.exp(mpf(-0.1))))
    return found


def _variably(x: Numbers) -> list[Any]:
    total = mp.fsum(j * (each - 1) for j, each in enumerate(x, start=1))
    return [*(each - 1 for each in x), total, total**2]


def _trigonometric(x: Numbers) -> list[Any]:
    total = len(x) - mp.fsum(map(mp.cos, x))
    return [total + i * (1 - mp.cos(each)) - mp.sin(each) for i, each in enumerate(x, start=1)]


def _almost_linear(x: Numbers) -> list[Any]:
    return [*(each + mp.fsum(x) - (len(x) + 1) for each in x[:-1]), mp.fprod(x) - 1]


def _boundary(x: Numbers) -> list[Any]:
    n, h = len(x), mpf(1) / (len(x) + 1)
    y = [0, *x, 0]
    return [2 * y[i] - y[i - 1] - y[i + 1] + h**2 * (y[i] + i * h + 1) ** 3 / 2 for i in range(1, n + 1)]


def _integral(x: Numbers) -> list[Any]:
    n, h = len(x), mpf(1) / (len(x) + 1)
    t = [(i + 1) * h for i in range(n)]
    cubes = [(a + b + 1) ** 3 for a, b in zip(x, t, strict=True)]
    found = []
    for i in range(n):
        left = mp.fsum(t[j] * cubes[j] for j in range(i + 1))
        right = mp.fsum((1 - t[j]) * cubes[j] for j in range(i + 1, n))
        found.append(x[i] + h * ((1 - t[i]) * left + t[i] * right) / 2)
    return found


def _tridiagonal(x: Numbers) -> list[Any]:
    y = [0, *x, 0]
    return [(3 - 2 * y[i]) * y[i] - y[i - 1] - 2 * y[i + 1] + 1 for i in range(1, len(x) + 1)]


def _banded(x: Numbers) -> list[Any]:
    found = []
    for i, each in enumerate(x):
        band = [j for j in range(max(0, i - 5), min(len(x), i + 2)) if j != i]
        found.append(each * (2 + 5 * each**2) + 1 - mp.fsum(x[j] * (1 + x[j]) for j in band))
    return found


def _full_rank(x: Numbers) -> list[Any]:
    share = 2 * mp.fsum(x) / (2 * len(x))
    return [*(each - share - 1 for each in x), *[-share - 1] * len(x)]


def _rank_1(x: Numbers) -> list[Any]:
    total = mp.fsum(j * each for j, each in enumerate(x, start=1))
    return [i * total - 1 for i in range(1, 2 * len(x) + 1)]


def _rank_1_zeros(x: Numbers) -> list[Any]:
    total = mp.fsum((j + 1) * x[j] for j in range(1, len(x) - 1))
    return [mpf(-1), *(i * total - 1 for i in range(1, 2 * len(x) - 1)), mpf(-1)]


def _chebyquad(x: Numbers) -> list[Any]:
    found = []
    for i in range(1, len(x) + 1):
        # The polynomials of Chebyshev, moved to [0, 1]; their integral there.
        mean = mp.fsum(mp.chebyt(i, 2 * each - 1) for each in x) / len(x)
        found.append(mean - (0 if i % 2 else mpf(-1) / (i * i - 1)))
    return found


def _grid(n: int) -> tuple[float, ...]:
    return tuple(t * (t - 1) for t in ((i + 1) / (n + 1) for i in range(n)))


MORE_GARBOW_HILLSTROM = (
    Problem("1 Rosenbrock", _ROSENBROCK, (-1.2, 1), _squares(_extended_rosenbrock), 0, near=((1, 1), (0.3, -0.7))),
    Problem("2 Freudenstein and Roth", _FREUDENSTEIN, (0.5, -2), _squares(_freudenstein), 48.9842, near=((5, 4),)),
    Problem(
        "3 Powell, badly scaled",
        _POWELL_BAD,
        (0, 1),
        _squares(lambda x: [10_000 * x[0] * x[1] - 1, mp.exp(-x[0]) + mp.exp(-x[1]) - mpf(1.0001)]),
        near=((1.1e-5, 9.1),),
    ),
    Problem(
        "4 Brown, badly scaled",
        _BROWN_BAD,
        (1, 1),
        _squares(lambda x: [x[0] - 10**6, x[1] - mpf(2e-6), x[0] * x[1] - 2]),
        0,
        near=((9e5, 3e-6),),
    ),
    Problem(
        "5 Beale",
        _BEALE,
        (1, 1),
        _squares(lambda x: [mpf(y) - x[0] * (1 - x[1] ** i) for i, y in enumerate((1.5, 2.25, 2.625), start=1)]),
        0,
        {"y": (1.5, 2.25, 2.625)},
        near=((3, 0.5), (0, -2)),
    ),
    Problem(
        "6 Jennrich and Sampson",
        _JENNRICH,
        (0.3, 0.4),
        _squares(lambda x: [2 + 2 * i - (mp.exp(i * x[0]) + mp.exp(i * x[1])) for i in range(1, 11)]),
        124.362,
    ),
    Problem("7 helical valley", _HELIX, (-1, 0, 0), _squares(_helix), 0, near=((1, 0.5, -0.3), (-0.3, -2, 1))),
    Problem("8 Bard", _BARD, (1, 1, 1), _squares(_bard), 8.21487e-3, {"y": _BARD_DATA}),
    Problem("9 Gauss", _GAUSS, (0.4, 1, 0), _squares(_gauss), 1.12793e-8, {"y": _GAUSS_DATA}),
    Problem("10 Meyer", _MEYER, (0.02, 4000, 250), _squares(_meyer), 87.9458, {"y": _MEYER_DATA}),
    Problem("11 Gulf", _GULF, (5, 2.5, 0.15), _squares(_gulf), 0, near=((49, 24, 1.4),)),
    Problem("12 Box", _BOX, (0, 10, 20), _squares(_box), 0, near=((1, 10, 1), (3, -0.2, 0.1))),
    Problem("13 Powell, singular", _POWELL, (3, -1, 0, 1), _squares(_powell), 0, near=((0.1, 0.2, 0.3, -0.4),)),
    Problem("14 Wood", _WOOD, (-3, -1, -3, -1), _squares(_wood), 0, near=((1, 1, 1, 1),)),
    Problem(
        "15 Kowalik and Osborne",
        _KOWALIK,
        (0.25, 0.39, 0.415, 0.39),
        _squares(_kowalik),
        3.07505e-4,
        {"y": _KOWALIK_DATA, "u": _KOWALIK_PLACES},
    ),
    Problem("16 Brown and Dennis", _BROWN_DENNIS, (25, 5, -5, -1), _squares(_brown_dennis), 85822.2),
    Problem(
        "17 Osborne 1", _OSBORNE1, (0.5, 1.5, -1, 0.01, 0.02), _squares(_osborne1), 5.46489e-5, {"y": _OSBORNE1_DATA}
    ),
    Problem("18 Biggs", _BIGGS, (1, 2, 1, 1, 1, 1), _squares(_biggs), near=((1, 9, 1.1, 4.8, 4.1, 2.9),)),
    Problem(
        "19 Osborne 2",
        _OSBORNE2,
        (1.3, 0.65, 0.65, 0.7, 0.6, 3, 5, 7, 2, 4.5, 5.5),
        _squares(_osborne2),
        4.01377e-2,
        {"y": _OSBORNE2_DATA},
    ),
    Problem("20 Watson", _WATSON, (0,) * 6, _squares(_watson), 2.28767e-3, near=((-0.1, 1, -0.2, 1.2, -1.5, 1),)),
    Problem("21 Rosenbrock, extended", _EXTENDED_ROSENBROCK, (-1.2, 1) * 3, _squares(_extended_rosenbrock), 0),
    Problem("22 Powell, extended", _EXTENDED_POWELL, (3, -1, 0, 1) * 2, _squares(_powell), 0),
    Problem("23 penalty 1", _PENALTY1, (1, 2, 3, 4), _squares(_penalty1), 2.24997e-5),
    Problem("24 penalty 2", _PENALTY2, (0.5,) * 4, _squares(_penalty2), 9.37629e-6),
    Problem("25 variably dimensioned", _VARIABLY, tuple(1 - j / 5 for j in range(1, 6)), _squares(_variably), 0),
    Problem("26 trigonometric", _TRIGONOMETRIC, (0.2,) * 5, _squares(_trigonometric), near=((0.05, -0.3, 1, 2, 3),)),
    Problem(
        "27 Brown, almost linear", _ALMOST_LINEAR, (0.5,) * 4, _squares(_almost_linear), 0, near=((0, 1, 2, 3, 0),)
    ),
    Problem("28 boundary value", _BOUNDARY, _grid(6), _squares(_boundary), 0),
    Problem("29 integral equation", _INTEGRAL, _grid(6), _squares(_integral), 0),
    Problem("30 Broyden, tridiagonal", _TRIDIAGONAL, (-1,) * 6, _squares(_tridiagonal), 0),
    Problem("31 Broyden, banded", _BANDED, (-1,) * 8, _squares(_banded), 0),
    Problem("32 linear, full rank", _FULL_RANK, (1,) * 4, _squares(_full_rank), 4),
    Problem("33 linear, rank 1", _RANK_1, (1,) * 4, _squares(_rank_1), 8 * 7 / (2 * 17)),
    Problem("34 linear, rank 1 with zeros", _RANK_1_ZEROS, (1,) * 4, _squares(_rank_1_zeros), 82 / (2 * 13)),
    Problem("35 Chebyquad", _CHEBYQUAD, tuple(j / 9 for j in range(1, 9)), _squares(_chebyquad), 3.51687e-3),
)
