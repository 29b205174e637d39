"""What the rooms share, and `utils.data`: datasets and the loader."""

from minigrad.utils import missing

__getattr__ = missing.attribute_error(
    __name__, modules={name: f"minigrad.utils.{name}" for name in ("backcompat", "data")}
)
