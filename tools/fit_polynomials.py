#!/usr/bin/env python3
"""Fits the polynomials of src/kernels/generic/math-inl.h and src/kernels/avx512/gelu.h and prints them with their errors.

Needs numpy, scipy and mpmath. Minimax by linear programming: on a dense Chebyshev grid, minimise the largest
relative error e subject to |P(x) - f(x) Q(x)| <= e f(x) Q'(x), where Q' is the denominator of the round before
(Loeb's algorithm); for a plain polynomial Q is 1 and one round is exact.
"""
import math

import mpmath
import numpy as np
from scipy.optimize import linprog

GRID = 3000


def chebyshev_grid(low, high):
    return (low + high) / 2 + (high - low) / 2 * np.cos(np.linspace(0, np.pi, GRID))


def minimax(columns, target):
    """Coefficients c and error e that minimise max |columns @ c - target|."""
    count = columns.shape[1]
    ones = np.ones((len(target), 1))
    solution = linprog(
        np.r_[np.zeros(count), 1.0],
        A_ub=np.vstack([np.hstack([columns, -ones]), np.hstack([-columns, -ones])]),
        b_ub=np.r_[target, -target],
        bounds=[(None, None)] * count + [(0, None)],
        method="highs")
    return solution.x[:count], solution.x[-1]


def fit_exp2(degree):
    """2^f on [-0.5, 0.5]."""
    f = chebyshev_grid(-0.5, 0.5)
    value = 2.0 ** f
    # The solver's tolerance is about 1e-7: ask for the error scaled up, so that the optimum is well above it.
    scale = 1e6
    columns = np.vander(f, degree + 1, increasing=True) / value[:, None]
    coefficients, _ = minimax(columns * scale, np.ones_like(f) * scale)
    return coefficients, np.abs(columns @ coefficients - 1).max()


def fit_odd(function, limit, degree_p, degree_q):
    """f(x) / x = P(t) / Q(t), t = x^2, on |x| <= limit; f is erf or tanh."""
    x = chebyshev_grid(0.0, limit)
    x = x[x > 1e-6]
    t = x * x / limit**2
    value = np.array([float(function(mpmath.mpf(v))) for v in x]) / x
    powers_p = np.vander(t, degree_p + 1, increasing=True)
    powers_q = np.vander(t, degree_q + 1, increasing=True)
    q = np.ones_like(t)
    for _ in range(12):
        weight = (value * q)[:, None]
        columns = np.hstack([powers_p, -value[:, None] * powers_q[:, 1:]]) / weight
        solution, error = minimax(columns, 1.0 / q)
        q = powers_q @ np.r_[1.0, solution[degree_p + 1:]]
    scale_p = limit ** (2.0 * np.arange(degree_p + 1))
    scale_q = limit ** (2.0 * np.arange(degree_q + 1))
    return solution[:degree_p + 1] / scale_p, np.r_[1.0, solution[degree_p + 1:]] / scale_q, error


def fit_gelu_table(step, degree, intervals=16):
    """t Phi(-t) by a polynomial of t - k step around every k step; the first begins at 0."""
    table, error = [], 0.0
    for k in range(intervals):
        t = chebyshev_grid(max(k - 0.5, 0.0) * step, (k + 0.5) * step)[::6]
        value = np.array([float(mpmath.mpf(v) * mpmath.ncdf(-mpmath.mpf(v))) for v in t])
        columns = np.vander((t - k * step) / (step / 2), degree + 1, increasing=True)
        scale = 1e6  # As above.
        coefficients, _ = minimax(columns * scale, value * scale)
        error = max(error, np.abs(columns @ coefficients - value).max())
        table.append(coefficients / (step / 2) ** np.arange(degree + 1))
    table[0][0] = 0.0  # GELU(0) is 0.
    return np.array(table), error


def show(name, coefficients):
    print(name, "from the constant up:", " ".join(f"{c:.9e}" for c in coefficients))


def main():
    mpmath.mp.dps = 40
    for degree in (6, 3):
        coefficients, error = fit_exp2(degree)
        print(f"exp2 on [-0.5, 0.5], degree {degree}: relative error {error:.1e} before rounding")
        show("  P", coefficients)
    limit = 3.9
    p, q, error = fit_odd(mpmath.erf, limit, 5, 5)
    print(f"erf on |x| <= {limit}: relative error {error:.1e} before rounding, "
          f"1 - erf({limit}) = {math.erfc(limit):.1e}")
    show("  P", p)
    show("  Q", q)
    limit = 8.7
    p, q, error = fit_odd(mpmath.tanh, limit, 5, 5)
    print(f"tanh on |x| <= {limit}: relative error {error:.1e} before rounding, "
          f"1 - tanh({limit}) = {1 - math.tanh(limit):.1e}")
    show("  P", p)
    show("  Q", q)
    step = 0.36
    table, error = fit_gelu_table(step, 5)
    end = (len(table) - 0.5) * step
    print(f"t Phi(-t) in steps of {step}: error {error:.1e} before rounding, "
          f"at {end:.2f} it is {end * math.erfc(end / math.sqrt(2)) / 2:.1e}")
    for i, column in enumerate(table.T):
        show(f"  coefficient {i}", column)


if __name__ == "__main__":
    main()
