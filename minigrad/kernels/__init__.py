"""Raw arrays in, raw arrays out."""
import numpy as np
from numpy import add, subtract, multiply, divide, negative, tanh
def sigmoid(x): return 1/(1+np.exp(-x))
def relu(x): return np.maximum(x, 0)
def tanh_backward(g, y): return g*(1-y*y)
def sigmoid_backward(g, y): return g*y*(1-y)
def relu_backward(g, y): return g*(y>0)
def accumulate(d, s): return np.add(d, s, out=d)
