"""Numbers as a person reads them, and what they are called."""

SCORES = {"macro_f1": "macro-F1", "accuracy": "accuracy"}
"""How well a model does, by the names that settings and manifests have for it."""


def duration(seconds: float) -> str:
    if seconds < 99.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def size(number: float) -> str:
    """Bytes."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(number) >= factor:
            return f"{number / factor:.{1 if abs(number) < 100 * factor else 0}f} {unit}"
    return f"{number:.0f} B"


def count(number: float) -> str:
    """A whole number, its thousands set apart."""
    return f"{number:,.0f}".replace(",", " ")


def signed(value: float, digits: int = 2) -> str:
    """A difference: its sign always shown, that of nothing a plus."""
    zero = f"{0:.{digits}f}"
    return f"{value:+.{digits}f}".replace("-", "−").replace(f"−{zero}", f"+{zero}")
