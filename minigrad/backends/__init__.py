"""Libraries below the engine, as the era's programs ask for them: they are absent, and can be asked."""

from minigrad.backends import cudnn, mkl
