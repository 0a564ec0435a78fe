"""Patterns through loops and branches, and Hessians of partially separable functions: exact at a general point."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradc
from gradc.ad import iterations


def numbers(*shape: int) -> Any:
    return np.random.default_rng(len(shape)).normal(size=shape) + 0.1


def value(found: dict[str, Any], shape: tuple[int, int]) -> Any:
    (only,) = found.values()
    return np.asarray(only).reshape(shape)


JACOBIANS = {
    "heat": "u = x\nfor t in 0..2 { u = u + 0.1*pad(u[2:]-2*u[1:-1]+u[:-2],1,1) }\ny=u",
    "heat wrap": "u = x\nfor t in 0..1 { v[i] = u[i] + u[mod(i+1,n)]*u[i] for i in 0..n\n u = v }\ny=u",
    "recurrence": "u = x\nfor t in 1..n { u[t] = u[t-1]*w + x[t] }\ny=u",
    "tridiag": "u = x\nfor t in 1..n { u[t] = x[t-1]*w + x[t]^2 }\ny=u",
    "band": "u = x\nfor t in 0..n-1 { u[t] = x[t]*x[t+1] }\ny=u",
    "update in place": "u = x\nfor t in 0..n-1 { u[t] = u[t]*u[t+1] }\ny=u",
    "cumulative": "s=0\nfor t in 0..n { s = s+x[t]^2\n y[t]=s }",
    "collected": "for t in 0..n { y[t]=sin(x[t])*w }",
    "collected band": "for t in 0..n-1 { y[t]=x[t]*x[t+1] }",
    "collected strided": "for t in 0..3 { y[t]=x[2*t]*x[2*t+1] }",
    "nested": "for i in 0..2 {\n for j in 0..3 { T[i,j] = x[3*i+j]^2 }\n}\ny=T",
    "nested sums": "for i in 0..n { s = 0\n for j in 0..i { s = s + x[j] }\n y[i] = s }",
    "nested carried": "u = x\nfor i in 0..2 {\n for j in 1..n { u[j] = u[j] + u[j-1]^2 }\n}\ny=u",
    "ode": "u = x\nfor t in 0..1000 { u = u + 0.01*sin(u)*u }\ny=u",
    "ode while": "u = x\ns = 0.0\nwhile s < 1 { u = u + 0.01*sin(u)*u\n s = s + 0.3 }\ny=u",
    "while real": "u = x\ns=w\nwhile s < 3 { u = u*x\ns = s*2 }\ny=u",
    "block if index": "for t in 0..n { if t > 2 { a = x[t]*x[0] } else { a = x[t] }\n y[t]=a }",
    "unknown": "u = x\nfor t in 0..k { u = u*x }\ny=u",
    "matrix": "U=reshape(x,2,3)\nfor t in 0..3 { U = A @ U }\ny=U",
    "two lanes": "a = x\nb = x[::-1]\nfor t in 0..2 { c = a*b\n b = a\n a = c }\ny=a",
    "fn": "fn f(a) { z = a\n for t in 0..3 { z = z*a+1 }\n return z }\ny = [f(x[i])*x[i] for i]",
    "fn while": "fn f(a) { z = a\n while abs(z) < 3 { z = z*1.5+a }\n return z }\ny = [f(x[i])*x[i] for i]",
    "fn ragged": "fn f(a,k) { z = a\n for t in 0..k { z = z*x[t]+1 }\n return z }\ny = [f(x[i],i) for i]",
    "gather": "u = zeros(n)\nfor t in 0..4 { u[idx[t]] = u[idx[t]] + x[t]^2 }\ny=u",
    "gather2": "for t in 0..4 { y[t] = x[idx[t]]*x[t] }",
    "checkpoint": "u = x\nfor t in 0..3 checkpoint { u = u*u }\ny=u",
    "adjoint": "u = x\nfor t in 1..n { u[t] = u[t-1]*w + x[t]^2 }\nf = sum(u^2)\ny=grad(f,x)",
    "adjoint sum": "s=0\nfor t in 0..n-1 { s = s + (x[t+1]-x[t]^2)^2 }\ny=grad(s,x)",
    "adjoint nested": "s=0\nfor t in 0..n-1 { for k in 0..2 {s = s + (x[t+k]-x[t]^2)^2 } }\ny=grad(s,x)",
    "adjoint part": "for t in 0..n-1 { z[t] = x[t+1]*x[t]^2 }\nf=z[1]+z[3]^2\ny=grad(f,x)",
    "adjoint carried part": "u=x\nfor t in 0..3 { u = u*u }\nf=u[1]+u[3]^2\ny=grad(f,x)",
    "adjoint collected sum": "for t in 0..n-1 { z[t] = x[t+1]*x[t]^2 }\nf=sum(z)\ny=grad(f,x)",
    "adjoint heat": (
        "u = x\nfor t in 0..2 { u = u + 0.1*pad(u[2:]-2*u[1:-1]+u[:-2],1,1)*u }\nf = sum(u^2)\ny=grad(f,x)"
    ),
    "adjoint while": "u = x\ns = w\nwhile s < 1.5 { u = u*u\n s = s*2 }\nf = sum(u^2)\ny=grad(f,x)",
    "adjoint chk": "u = x\nfor t in 0..3 checkpoint { u = u*u }\nf = sum(u^2)\ny=grad(f,x)",
    "adjoint fn": (
        "fn f(a) { z = a\n for t in 0..3 { z = z*a+1 }\n return z }\nL = sum(f(x[i])*x[i] for i)\ny=grad(L,x)"
    ),
    "counter": "c = k - 3\nu = x\nfor t in 0..3 {\n  u[c] = u[c+1]*u[c]\n  c = c + 2\n}\ny = u",
    "counter of a while": "c = k - 3\nu = x\nwhile c < n {\n  u[c] = x[0]*u[c]\n  c = c + 2\n}\ny = u",
    "last write": "u = x\nfor t in 0..n { u[0] = x[t] }\ny = u",
    "two writes": "u = zeros(n)\nfor t in 0..3 {\n  u[2*t] = x[t]\n  u[2*t+1] = x[t]*x[t+1]\n}\ny = u",
    "branch by size": "if n > 2 { u = x*x[0] } else { u = x*x[1] }\ny = u",
}


@pytest.mark.parametrize("name", JACOBIANS)
def test_jacobians_through_regions(name: str) -> None:
    model = gradc.compile(f"param x[n], w = 0.5\ninput idx[4]: int, A[2, 2], k: int\n{JACOBIANS[name]}\noutput y")
    values: dict[str, Any] = {"x": numbers(6), "idx": [2, 0, 3, 2], "A": numbers(2, 2), "k": 3}
    sparse = model.sparse_jacobian("y", "x")
    found = sparse(values)
    due = value(model.jacobian("y", "x")(values), found.shape)
    np.testing.assert_allclose(found.toarray(), due, rtol=1e-9, atol=1e-13)
    assert np.array_equal(sparse.sparsity(values).pattern.toarray(), due != 0)


BOTH = {
    "by a number": "u = x\nif w > 0 { u = x*x[0] } else { u = x*x[1] }\ny = u",
    "in a family": (
        "fn f(a, b) {\n  z = a\n  if a > 0 { z = a*b } else { z = a^2 }\n  return z\n}\n"
        "y = [f(x[i], x[i+1]) for i in 0..n-1]"
    ),
}


@pytest.mark.parametrize("name", BOTH)
def test_branches_that_numbers_choose_are_both_counted(name: str) -> None:
    model = gradc.compile(f"param x[n], w = 0.5\n{BOTH[name]}\noutput y")
    places = []
    for sign in (1, -1):
        values = {"x": sign * np.linspace(1, 2, 6), "w": sign}
        known = model.sparsity("y", "x", values)
        due = value(model.jacobian("y", "x")(values), known.shape)
        assert not np.any(due[~known.pattern.toarray()])
        places.append(due != 0)
    assert np.array_equal(known.pattern.toarray(), places[0] | places[1])


HESSIANS = {
    "Broyden tridiagonal": "r = (3-2*x)*x - pad(x[:-1],1,0) - 2*pad(x[1:],0,1) + 1\nf = sum(r^2)",
    "chained Wood": (
        "f = sum(100*(x[2*i+1]-x[2*i]^2)^2 + (1-x[2*i])^2 + 90*(x[2*i+3]-x[2*i+2]^2)^2 + (1-x[2*i+2])^2"
        " + 10*(x[2*i+1]+x[2*i+3]-2)^2 + (x[2*i+1]-x[2*i+3])^2/10 for i in 0..3)"
    ),
    "trigonometric, banded": ("f = sum(cos(x[i])*sin(x[i+2]) for i in 0..n-2) + sum(x[i]*cos(x[i+1]) for i in 0..n-1)"),
    "Lennard-Jones chain": (
        "fn lj(r2) = 1/r2^6 - 2/r2^3\nP=reshape(x,4,2)\nf = sum(lj(sum((P[i+1]-P[i])^2)) for i in 0..3)"
    ),
    "linear parts": ("z = 3*x + 1\nf = sum(z[i]*z[i+1] for i in 0..n-1) - 9*sum(x[i]*x[i+2] for i in 0..n-2)"),
    "cancelling": "f = sum(x[i]*x[i+1] for i in 0..n-1) + sum(x)*0",
    "const product": "c = [1,0,2,0,1,0,3,1]\nf = sum(c*x^2)",
    "square of linear": "f = sum((x[i]-x[i+1])^2 for i in 0..n-1)",
    "affine in one": "f = sum(exp(x[i])*x[i+1] for i in 0..n-1)",
    "loop rosen": "f=0\nfor i in 0..n-1 { f = f + 100*(x[i+1] - x[i]^2)^2 + (1 - x[i])^2 }",
    "loop if": "f=0\nfor i in 0..n { if i > 2 { f = f + x[i]^2*x[0] } else { f = f + x[i] } }",
    "loop lin": "f=0\nfor i in 0..n { f = f + 3*x[i] }",
    "loop ode": "u=x\nfor t in 0..4 { u = u + 0.1*u*(1-u) }\nf=sum(u)",
    "loop heat lin": "u=x\nfor t in 0..3 { u = u + 0.1*pad(u[2:]-2*u[1:-1]+u[:-2],1,1) }\nf=sum(u)",
    "loop heat nl": "u=x\nfor t in 0..1 { u = u + 0.1*pad(u[2:]-2*u[1:-1]+u[:-2],1,1)*u }\nf=sum(u)",
    "loop collected": "for i in 0..n-1 { r[i] = x[i+1]-x[i]^2 }\nf = sum(r^2)",
    "loop put": "r = zeros(n)\nfor i in 0..n-1 { r[i] = x[i+1]-x[i]^2 }\nf = sum(r^2)",
    "loop nested band": "f=0\nfor i in 0..n-2 { for j in i..i+2 { f = f + (x[i]-x[j+1])^2 } }",
    "loop product": "f=1\nfor i in 0..3 { f = f*x[i] }",
    "loop fn": ("fn e(a,b) { z=a\nfor t in 0..3 { z = z*b + a }\n return z }\nf = sum(e(x[i],x[i+1]) for i in 0..n-1)"),
    "loop while": "u=x\ns=0.0\nwhile s < 1 { u = u*u\ns = s+0.4 }\nf = sum(u)",
    "cumsum": "f = sum(cumsum(x)[:3]^2)",
    "log": "f = sum(log(1+x[i]^2+x[i+1]^2) for i in 0..n-1)",
}


@pytest.mark.parametrize("name", HESSIANS)
def test_hessians_of_partially_separable_functions(name: str) -> None:
    model = gradc.compile(f"param x[n]\n{HESSIANS[name]}\noutput f")
    x = np.random.default_rng(3).uniform(0.3, 1.7, 8)
    sparse = model.sparse_hessian("f", "x")
    found = sparse(x=x)
    due = value(model.hessian("f", "x")(x=x), found.shape)
    scale = np.abs(due).max() + 1
    np.testing.assert_allclose(found.toarray(), due, rtol=1e-9, atol=1e-11 * scale)
    assert np.array_equal(sparse.sparsity(x=x).pattern.toarray(), np.abs(due) > 1e-12 * scale)


LONG = {
    "collected": ("y = [0]\nfor t in 0..n-1 { z[t] = x[t]*x[t+1] }", "z", 199_998),
    "written": ("u = x\nfor t in 1..n-1 { u[t] = x[t-1]*w + x[t]*x[t+1] }", "u", 299_996),
    "independent": ("u = x\nfor t in 0..1000000 { u = u + 0.001*sin(u) }", "u", 100_000),
    "summed": ("s = 0\nfor t in 0..n-1 { s = s + (x[t+1] - x[t]^2)^2 }", "s", 299_998),
}


@pytest.mark.parametrize("name", LONG)
def test_long_loops_cost_as_much_as_their_non_zeros(name: str) -> None:
    text, of, count = LONG[name]
    model = gradc.compile(f"param x[n], w = 0.5\n{text}\noutput {of}")
    assert model.sparsity(of, "x", {"x": np.ones(100_000)}).nonzeros == count


def test_what_is_too_long_is_closed_under_repetition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iterations, "WORK", 0.0)
    band = "u = x\nfor t in 0..2 { u = u + 0.1*pad(u[2:] - 2*u[1:-1] + u[:-2], 1, 1) }\n"
    model = gradc.compile(f"param x[n], w = 0.5\n{band}v = w*x\nfor t in 0..5 {{ v = v*x }}\noutput u, v")
    assert model.sparsity("u", "x", {"x": numbers(6)}).nonzeros == 26
    assert model.sparsity("v", "x", {"x": numbers(6)}).nonzeros == 6


def test_truth_values_that_a_loop_in_a_family_hands_on() -> None:
    text = """
input x[n]
u = 1
for t in 1..2 {
  d = 0
  while d < 3 {
    u = tanh(mean(x)/t)
    d = d + 1
  }
}
output u
"""
    model, x = gradc.compile(text), np.array([1.0, 0.5, 2.0])
    assert np.allclose(model.sparse_hessian("u", "x")(x=x).toarray(), model.hessian("u", "x")(x=x)["hessian(u, x)"])
