"""numba's njit with a cache of the compiled code, where there is a place for one."""

import functools

import numba


def _has_cache() -> bool:
    """Whether numba can write beside the source or in the user's cache folder."""
    try:
        numba.njit(cache=True)(_has_cache)
    except RuntimeError:  # "cannot cache function: no locator available"
        return False
    return True


# Without a cache each process compiles for a few seconds, and works.
njit = functools.partial(numba.njit, cache=_has_cache())
