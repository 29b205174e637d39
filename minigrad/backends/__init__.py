"""Libraries below the engine, as the era's programs ask for them: there is only the absence of cuDNN."""

from minigrad.backends import cudnn
