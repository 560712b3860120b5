"""Where two models that give other outputs for one example begin to differ."""
