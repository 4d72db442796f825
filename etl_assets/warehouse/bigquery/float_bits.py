"""The bits of a FLOAT64 in BigQuery's SQL, which has no function for them: by exact arithmetic.

To multiply a double with a power of two, or to take one of its size off, rounds nothing.
"""

_FRACTION = "4503599627370496"  # 2^52
_LEAST_NORMAL = "2.2250738585072014e-308"


def float_bits(x: str) -> str:
    """The IEEE 754 bits of a FLOAT64 as a signed integer in decimal digits; `NaN` for NaN, and `0`
    for both zeros."""
    # The logarithm may be rounded to a whole number that the exponent is below, or short of.
    power = "POW(2.0, CAST(g AS FLOAT64))"
    exponent = f"(g - IF(a < {power}, 1, 0) + IF(a / 2.0 >= {power}, 1, 0))"
    guess = "LEAST(GREATEST(CAST(FLOOR(LOG(a) / LOG(2.0)) AS INT64), -1022), 1023)"
    fraction = "(a / POW(2.0, CAST(e AS FLOAT64)) - 1.0)"
    normal = f"(e + 1023) * {_FRACTION} + CAST({fraction} * {_FRACTION}.0 AS INT64)"
    is_normal = f"ABS({x}) >= {_LEAST_NORMAL} AND NOT IS_INF({x}) AND NOT IS_NAN({x})"
    normal = (  # a sub-query may be computed for every value: it must not fail for any
        f"(SELECT {normal} FROM (SELECT a, {exponent} AS e FROM (SELECT a, {guess} AS g "  # noqa: S608
        f"FROM (SELECT IF({is_normal}, ABS({x}), 1.0) AS a))))"
    )
    denormal = f"CAST(ABS({x}) * POW(2.0, 537.0) * POW(2.0, 537.0) AS INT64)"
    size = (
        f"CASE WHEN {x} = 0 THEN 0 WHEN IS_INF({x}) THEN 9218868437227405312 "
        f"WHEN ABS({x}) < {_LEAST_NORMAL} THEN {denormal} ELSE {normal} END"
    )
    sign = f"IF({x} < 0, -9223372036854775807 - 1, 0)"
    return f"IF(IS_NAN({x}), 'NaN', CAST({size} + {sign} AS STRING))"
