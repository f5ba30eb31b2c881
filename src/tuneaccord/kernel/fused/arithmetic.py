"""Exponentials that vectorise: ``exp`` and ``h(y) = exp(-y) - 1 + y`` without branches or library calls.

Each function exists for float32 and float64 and is inlined into the loops that use it, so that the compiler turns
it into vector instructions. ``h`` keeps full relative accuracy around zero, which ``exp(-y) - 1 + y`` does not: for
``|y| <= 0.1`` and ``<= 0.7`` it is ``y**2`` times a polynomial, beyond that ``2**k`` is split off and the rest is
summed in an order that must not be changed. The functions here therefore allow fused multiply-adds, and never
re-association. The coefficients interpolate at Chebyshev nodes; their relative error is below 4e-8 in float32 and
5e-17 in float64.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic, overload

#: what the compiler may do inside a formula: fuse a multiply and an add, nothing else
EXACT = {"contract", "nnan", "nsz"}
#: what it may do to running sums: split them over vector lanes as well
SUMS = {"contract", "nnan", "nsz", "reassoc"}

#: largest ``|y|`` that ``h_near`` and ``h_mid`` take
NEAR, MID = 0.1, 0.7
#: largest ``|y|`` for which float32 arithmetic is enough for float32 rewards: rounding of y counts in exp(-y)
FAR = 3.0
#: largest ``-y`` for which a term of the sums may be formed as a product with ``exp(-y)``
HOT = {np.dtype(np.float32): 30.0, np.dtype(np.float64): 300.0}


def _single(*numbers):
    return tuple(np.float32(number) for number in numbers)


_NEAR32 = _single(0.4999999826, -0.1666666642, 0.04168055773, -0.008335317701)
_MID32 = _single(0.5, -0.1666667024, 0.04166667024, -0.008332750182, 0.001388830644, -0.0002007889419, 2.503899105e-5)
_EXP32 = _single(0.5000000013, 0.1666666668, 0.04166646493, 0.008333310925, 0.001393365, 0.0001989099082)
_NEAR64 = (
    0.499999999999999978,
    -0.166666666666666665,
    0.0416666666667355702,
    -0.00833333333333959715,
    0.00138888885443754225,
    -0.000198412695280823514,
    0.0000248070993395801976,
    -2.75623300873115388e-6,
)
_MID64 = (
    0.5,
    -0.166666666666666633,
    0.0416666666666666646,
    -0.00833333333333526413,
    0.00138888888888900949,
    -0.000198412698381180243,
    0.0000248015872996186474,
    -2.75573214286775423e-6,
    2.75573206011026036e-7,
    -2.50513589063059602e-8,
    2.08762888118322906e-9,
    -1.61812646928687372e-10,
    1.15471030370978983e-11,
)
_EXP64 = (
    0.5,
    0.16666666666666671,
    0.0416666666666666698,
    0.00833333333332613513,
    0.00138888888888837483,
    0.000198412698748206253,
    0.0000248015873255477412,
    2.75572554002064244e-6,
    2.75572736431102953e-7,
    2.51052170047207452e-8,
    2.09146869680868772e-9,
)
#: (atanh(s) - s) / s**3 as a polynomial of s**2
_ATANH32 = _single(0.3333334277, 0.1999428788, 0.1479460163)
_ATANH64 = (
    0.333333333333333494,
    0.199999999999469561,
    0.142857143142503981,
    0.11111105362200645,
    0.0909145944647180154,
    0.0766536826338975647,
    0.0731428577864195146,
)
# log2(e), the two parts of log(2), the number whose addition rounds to an integer, and the largest |argument| of exp
_SPLIT32 = _single(1.4426950408889634, 0.693359375, -2.12194440e-4, 12582912.0, 87.0)
_SPLIT64 = (1.4426950408889634, 6.93147180369123816490e-01, 1.90821492927058770002e-10, 6755399441055744.0, 708.0)
_ZERO32, _ONE32, _TWO32 = _single(0, 1, 2)


@intrinsic
def two_power(typing, shifted):
    """``2**k`` from ``k + 1.5 * 2**23`` (float32) or ``k + 1.5 * 2**52`` (float64): ``k`` is in the lowest bits."""
    if shifted not in (types.float32, types.float64):
        raise TypingError("two_power takes a float32 or a float64")
    width, fraction, one = (32, 23, 0x3F800000) if shifted == types.float32 else (64, 52, 0x3FF0000000000000)

    def generate(context, builder, signature, arguments):
        bits = builder.bitcast(arguments[0], ir.IntType(width))
        exponent = builder.shl(bits, ir.Constant(ir.IntType(width), fraction))
        return builder.bitcast(builder.add(exponent, ir.Constant(ir.IntType(width), one)), arguments[0].type)

    return shifted(shifted), generate


@intrinsic
def exponent_of(typing, m):
    """``k`` as a float, where ``m = 2**k * f`` with ``f`` between 0.707 and 1.414, for positive ``m``."""
    width, fraction, offset, _ = _BITS[m]

    def generate(context, builder, signature, arguments):
        kind = ir.IntType(width)
        bits = builder.add(builder.bitcast(arguments[0], kind), ir.Constant(kind, offset))
        power = builder.sub(
            builder.ashr(bits, ir.Constant(kind, fraction)), ir.Constant(kind, (1 << (width - fraction - 2)) - 1)
        )
        return builder.sitofp(power, arguments[0].type)

    return m(m), generate


@intrinsic
def fraction_of(typing, m):
    """``f`` of :func:`exponent_of`."""
    width, _, offset, mask = _BITS[m]

    def generate(context, builder, signature, arguments):
        kind = ir.IntType(width)
        bits = builder.add(builder.bitcast(arguments[0], kind), ir.Constant(kind, offset))
        bits = builder.and_(bits, ir.Constant(kind, mask))
        start = (0x3F800000 if width == 32 else 0x3FF0000000000000) - offset
        return builder.bitcast(builder.add(bits, ir.Constant(kind, start)), arguments[0].type)

    return m(m), generate


# bits of the type, of its fraction, the distance from sqrt(1/2) to 1, and the mask of the fraction
_BITS = {
    types.float32: (32, 23, 0x3F800000 - 0x3F3504F3, (1 << 23) - 1),
    types.float64: (64, 52, 0x3FF0000000000000 - 0x3FE6A09E667F3BCD, (1 << 52) - 1),
}


def _pick(operator):
    def typed(typing, one, other):
        if one != other or one not in (types.float32, types.float64):
            raise TypingError("larger and smaller take two floats of one type")

        def generate(context, builder, signature, arguments):
            flags = ("nnan", "nsz")
            picked = builder.fcmp_ordered(operator, *arguments, flags=flags)
            return builder.select(picked, *arguments, flags=flags)

        return one(one, other), generate

    return typed


#: the larger and the smaller of two floats of one type, in the one form that loops over them vectorise in
larger, smaller = intrinsic(_pick(">")), intrinsic(_pick("<"))


def fast_exp(x):
    """``exp(x)`` for ``x <= 0``; exactly 0 below -87 (float32) or -708 (float64)."""
    raise NotImplementedError("for compiled code only")


def h_near(y):
    """``h(y)`` for ``|y| <= 0.1``, as ``y**2`` times a polynomial: this is the polynomial."""
    raise NotImplementedError("for compiled code only")


def h_mid(y):
    """``h(y) / y**2`` for ``|y| <= 0.7``."""
    raise NotImplementedError("for compiled code only")


def h_any(y):
    """``h(y)`` for every ``y`` whose ``exp(-y)`` can be represented."""
    raise NotImplementedError("for compiled code only")


def shortfall(x):
    """``hl(x) = x - log(1 + x)`` for ``x > -1``."""
    raise NotImplementedError("for compiled code only")


@overload(fast_exp, jit_options={"fastmath": EXACT, "error_model": "numpy"})
def _fast_exp(x):
    if x == types.float32:

        def single(x):
            per, high, low, shift, limit = _SPLIT32
            c = _EXP32
            y = larger(x, -limit)
            shifted = y * per + shift
            k = shifted - shift
            rho = (y - k * high) - k * low
            tail = ((((c[5] * rho + c[4]) * rho + c[3]) * rho + c[2]) * rho + c[1]) * rho + c[0]
            value = two_power(shifted) * (tail * (rho * rho) + rho + _ONE32)
            return value if x >= -limit else _ZERO32

        return single

    def double(x):
        per, high, low, shift, limit = _SPLIT64
        c = _EXP64
        y = larger(x, -limit)
        shifted = y * per + shift
        k = shifted - shift
        rho = (y - k * high) - k * low
        tail = (((((c[10] * rho + c[9]) * rho + c[8]) * rho + c[7]) * rho + c[6]) * rho + c[5]) * rho + c[4]
        tail = (((tail * rho + c[3]) * rho + c[2]) * rho + c[1]) * rho + c[0]
        value = two_power(shifted) * (tail * (rho * rho) + rho + 1.0)
        return value if x >= -limit else 0.0

    return double


@overload(h_near, jit_options={"fastmath": EXACT, "error_model": "numpy"})
def _h_near(y):
    if y == types.float32:

        def single(y):
            c = _NEAR32
            return ((c[3] * y + c[2]) * y + c[1]) * y + c[0]

        return single

    def double(y):
        c = _NEAR64
        tail = ((c[7] * y + c[6]) * y + c[5]) * y + c[4]
        return (((tail * y + c[3]) * y + c[2]) * y + c[1]) * y + c[0]

    return double


@overload(h_mid, jit_options={"fastmath": EXACT, "error_model": "numpy"})
def _h_mid(y):
    if y == types.float32:

        def single(y):
            c = _MID32
            return (((((c[6] * y + c[5]) * y + c[4]) * y + c[3]) * y + c[2]) * y + c[1]) * y + c[0]

        return single

    def double(y):
        c = _MID64
        tail = ((((c[12] * y + c[11]) * y + c[10]) * y + c[9]) * y + c[8]) * y + c[7]
        tail = (((tail * y + c[6]) * y + c[5]) * y + c[4]) * y + c[3]
        return ((tail * y + c[2]) * y + c[1]) * y + c[0]

    return double


@overload(h_any, jit_options={"fastmath": EXACT, "error_model": "numpy"})
def _h_any(y):
    if y == types.float32:

        def single(y):
            per, high, low, shift, limit = _SPLIT32
            c = _EXP32
            x = smaller(larger(-y, -limit), limit)
            shifted = x * per + shift
            k = shifted - shift
            rho = (x - k * high) - k * low
            tail = ((((c[5] * rho + c[4]) * rho + c[3]) * rho + c[2]) * rho + c[1]) * rho + c[0]
            s = two_power(shifted)
            return (s * tail) * (rho * rho) + ((s - _ONE32) + (s * rho + y))

        return single

    def double(y):
        per, high, low, shift, limit = _SPLIT64
        c = _EXP64
        x = smaller(larger(-y, -limit), limit)
        shifted = x * per + shift
        k = shifted - shift
        rho = (x - k * high) - k * low
        tail = (((((c[10] * rho + c[9]) * rho + c[8]) * rho + c[7]) * rho + c[6]) * rho + c[5]) * rho + c[4]
        tail = (((tail * rho + c[3]) * rho + c[2]) * rho + c[1]) * rho + c[0]
        s = two_power(shifted)
        return (s * tail) * (rho * rho) + ((s - 1.0) + (s * rho + y))

    return double


@overload(shortfall, jit_options={"fastmath": EXACT, "error_model": "numpy"})
def _shortfall(x):
    if x == types.float32:

        def single(x):
            c = _ATANH32
            m = _ONE32 + x
            k = exponent_of(m)
            f = fraction_of(m)
            near = k == _ZERO32
            top = x if near else f - _ONE32
            s = top / (_TWO32 + top)
            w = s * s
            tail = (c[2] * w + c[1]) * w + c[0]
            rest = s * x if near else ((x - k * _SPLIT32[1]) - k * _SPLIT32[2]) - (_TWO32 * s)
            return rest - (_TWO32 * s * w) * tail

        return single

    def double(x):
        c = _ATANH64
        m = 1.0 + x
        k = exponent_of(m)
        f = fraction_of(m)
        near = k == 0.0
        top = x if near else f - 1.0
        s = top / (2.0 + top)
        w = s * s
        tail = (((((c[6] * w + c[5]) * w + c[4]) * w + c[3]) * w + c[2]) * w + c[1]) * w + c[0]
        rest = s * x if near else ((x - k * _SPLIT64[1]) - k * _SPLIT64[2]) - (2.0 * s)
        return rest - (2.0 * s * w) * tail

    return double
