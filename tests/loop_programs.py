"""Small programs with loops and branches, of all kinds that there are: what looks at programs has to look at these."""

from __future__ import annotations

from typing import Final

LOOPS: Final[dict[str, str]] = {
    "newton": "param a = 2\nx = a\nwhile abs(x*x - a) > 1e-12 { x = (x + a/x)/2 }\n",
    "steps": "param a = 2\ny = a\nfor t in 0..4 { y = (y + a/y)/2 }\nL = y^2 + a\n",
    "euler": (
        "input n: int = 10\nparam w = 0.5, y0 = 1\nh = 1/n\ny = y0\n"
        "for t in 0..n {\n  y = y + h*w*y\n  trace[t] = y\n}\nL = (y - 2)^2 + sum(trace)\noutput L\n"
    ),
    "chosen": (
        "param x = 3\ny = x; n = 0\nif x > 2 {\n  y = x - 1\n  n = 1\n} else if x < -2 {\n  y = x + 1\n  n = -1\n}\n"
        "else { y = 0 }\nL = y^2\noutput L, n\n"
    ),
    "set": "input x[n] = [1, 2, 3]\nparam w = 0.5\nu = x\nfor t in 1..n { u[t] = u[t-1]*w + x[t] }\nL = sum(u^2)\n",
    "function": (
        "fn root(a) {\n  y = a; k = 1\n  for t in 0..4 { y = (y + a/y)/2; k = k*y }\n  return y + k\n}\n"
        "param p = 2, q = 3\nL = 2*root(p*q) + p\n"
    ),
    "unbound": "param w\ninput n: int\ny = 1\nfor t in 0..n { y = y + w*y }\nL = (y - 2)^2 + w\n",
    "none": "param w = 2\ny = 3*w\nfor t in 0..0 { y = y*w }\nL = y\n",
    "nested": (
        "param w = 0.5\ns = 0; p = 0\n"
        "for i in 0..3 {\n  p = 1\n  for j in 0..i { p = p*w + i }\n  s = s + p\n  A[i] = s\n}\n"
        "L = s + A[1]\noutput L\n"
    ),
    "choice_in_loop": (
        "param w = 0.5\nx = 1; y = 0\n"
        "for t in 0..5 {\n  if x > 0 { x = x - w } else { x = x + 2*w; y = y + x }\n}\nL = x*y\n"
    ),
    "loop_in_choice": (
        "param w = 0.5\ny = w\nif w > 0 {\n  while y < 10 { y = y*2 + w }\n} else { y = -w }\nL = y^2\noutput L\n"
    ),
    "derivative": (
        "param x = 0.5, w = 2\ny = x\nfor t in 0..3 { y = y + w*y^2 }\ng = grad(y, w)\nh = hessian(y, w)\n"
        "L = g^2 + h + y\noutput L, g\n"
    ),
    "derivative_inside": (
        "param w = 0.5\ny = 0\n"
        "for t in 0..3 {\n  y = y + w*y + w*t\n  trace[t] = grad(y, w)\n}\nL = sum(trace)\noutput L\n"
    ),
    "matrix": (
        "input A[n, n] = [[0.5, 0.1], [0, 0.3]], b[n] = [1, 2]\nparam x0[n] = [1, 1]\nx = x0\n"
        "for k in 0..6 { x = A @ x + b }\nL = sum(x^2)\n"
    ),
    "descent": (
        "input X[n, d] = [[1, 0], [1, 1], [1, 2]], y[n] = [1, 3, 5]\nparam lr = 0.1\nw = zeros(d)\n"
        "for k in 0..5 {\n  r = X @ w - y\n  w = w - lr*(X.T @ r)\n  loss[k] = sum(r^2)\n}\n"
        "L = loss[4] + sum(w)\noutput L\n"
    ),
    "own": ("fn f(x) = x^2\nderivative f(x) = 3*x\nparam a = 0.5\ny = a\nfor t in 0..3 { y = f(y) + a }\nL = y\n"),
    "forward": "param w = 0.5\ny = 1\nfor t in 0..3 { y = y*w + sin(w) }\nd = jvp(y, w, 1)\nL = d*y\noutput L\n",
    "checkpoint": "param w = 0.9\ny = 1\nfor t in 0..20 checkpoint { y = y*w + 0.1 }\nL = y\n",
    "stopped": "param w = 0.9\ny = w\nwhile stop_gradient(y) < 5 { y = y + stop_gradient(w)*y + w }\nL = y\n",
    "cyclic": "param w = 0.9\na = 1; b = w\nfor t in 0..5 {\n  c = a\n  a = b\n  b = c*w\n}\nL = a + b\noutput L\n",
    "whole": "param w = 0.9\nn = 0; y = w\nwhile n < 4 {\n  n = n + 1\n  y = y*n\n}\nL = y\noutput L, n\n",
    "table": (
        "input X[n, m] = [[1, 2], [3, 4]]\nparam w = 0.5\nS = zeros(n, m)\n"
        "for i in 0..n {\n  for j in 0..m { S[i, j] = w*X[i, j] + i }\n}\nL = sum(S^2)\n"
    ),
    "collected_rows": (
        "input X[n, m] = [[1, 2], [3, 4]]\nparam w = 0.5\nv = zeros(m)\n"
        "for i in 0..n {\n  v = w*v + X[i]\n  R[i, j] = v[j]^2\n}\nL = sum(R)\noutput L\n"
    ),
    "family": (
        "fn root(a) {\n  y = a\n  while abs(y*y - a) > 1e-9 { y = (y + a/y)/2 }\n  return y\n}\n"
        "input x[n] = [1, 2, 3]\nparam k = 2\ny = [root(k*x[i]) for i]\nL = sum(y)\n"
    ),
    "family_choice": (
        "fn part(a, k) {\n  y = a\n  if a > 2 { y = a*k } else { y = a + k }\n  return y\n}\n"
        "input x[n] = [1, 2, 3]\nparam k = 2\nL = sum(part(x[i], k)^2 for i)\n"
    ),
    "unused": "param w = 0.5\ny = w; z = 0\nfor t in 0..4 {\n  y = y*w\n  z = z + y^2\n}\nL = z\noutput L\n",
    "two": "param w = 0.5\ny = w\nfor t in 0..4 { y = y*w + 1 }\nz = y\nwhile z < 9 { z = z + w*y }\nL = z + y\n",
    "constant": "y = 1\nfor t in 0..4 { y = y*2 + t }\noutput y\n",
}
