"""Programs with loops and branches, for tests that want some of every kind."""

from __future__ import annotations

from typing import Final

PROGRAMS: Final[dict[str, str]] = {
    "for": """
        param w = 0.5
        y = 1
        for t in 0..4 { y = y + w*y*t }
        output y
    """,
    "while": """
        param w = 0.5
        v = 1
        while v < 10 { v = v * 2 * w + 3 }
        output v
    """,
    "if": """
        param w = 0.5
        input c = 2
        if c > 1 { u = w^2 * c } else { u = exp(w) }
        r = u * w
        output r
    """,
    "nested": """
        param w = 0.3
        input x[n] = [1, 2, 3]
        y = 0
        k = 0
        for t in 0..n {
          k = w
          for s in 0..t+1 {
            k = k*w + x[t]
            while k > 5 { k = k/2 }
          }
          if k > 1 { y = y + k } else { y = y - sin(k) }
        }
        output y
    """,
    "collected": """
        param w = 0.5
        input x[n] = [1, 2, 3]
        y = 0
        for t in 0..n {
          y = y + x[t]*w
          trace[t] = y^2
        }
        L = sum(trace) + y
        output L
    """,
    "updated": """
        param w = 0.5
        input x[n] = [1, 2, 3], k[n]: int = [2, 0, 2]
        a = [0.0 for i in 0..n]
        for t in 0..n {
          a[t] = w * x[t]
          a[k[t]] = a[k[t]] + x[t] * a[t]
        }
        L = sum(a^2)
        output L
    """,
    "in a function": """
        param w = 0.5
        fn f(y) {
          z = y
          for t in 0..3 { z = z + w*z*y }
          return z
        }
        L = f(w) + f(2)
        output L
    """,
    "in a comprehension": """
        param w = 0.5
        input x[n] = [1, 2, 3]
        fn f(y) {
          z = y
          while abs(z) < 4 { z = z + w*z + y }
          if z > 5 { z = z/2 }
          return z
        }
        c = [f(x[i])*w for i]
        L = sum(c)
        output L
    """,
    "own derivative": """
        param w = 0.5
        fn g(y) {
          z = y
          for t in 0..3 { z = z + z*y }
          return z
        }
        derivative g(y) = 3 * (1 + y)^2 * y + (1 + y)^3
        b = 0
        for t in 0..3 { b = b + g(w*t) }
        L = g(w) * b
        output L
    """,
    "derivative only in a loop": """
        param w = 0.5
        fn g(y) = y^3
        derivative g(y) = 3*y^2
        b = 0
        for t in 0..3 { b = b + g(w*t) }
        output b
    """,
    "request": """
        param w = 0.5
        y = w
        for t in 0..3 { y = y*w + sin(y) }
        d = grad(y, w)
        L = d + grad(d, w)
        output L
    """,
}
"""By name; each can be run with its defaults and has one output and the param ``w``."""
