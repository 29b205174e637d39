# Sine waves continued by two LSTM cells in double precision, trained with LBFGS.
from __future__ import print_function
import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
from torch.autograd import Variable


class Waves(nn.Module):
    def __init__(self, size):
        super(Waves, self).__init__()
        self.size = size
        self.below = nn.LSTMCell(1, size)
        self.above = nn.LSTMCell(size, size)
        self.linear = nn.Linear(size, 1)

    def forward(self, input, future=0):
        state = [Variable(torch.zeros(input.size(0), self.size).double(), requires_grad=False) for _ in range(4)]
        heights = []
        for x in input.chunk(input.size(1), dim=1):
            height, state = self.advance(x, state)
            heights += [height]
        for t in range(future):
            height, state = self.advance(height, state)
            heights += [height]
        return torch.stack(heights, 1).squeeze(2)

    def advance(self, x, state):
        h, c = self.below(x, (state[0], state[1]))
        h2, c2 = self.above(h, (state[2], state[3]))
        return self.linear(h2), [h, c, h2, c2]


np.random.seed(0)
torch.manual_seed(0)
begins = np.random.randint(-32, 32, (6, 1))
waves = np.sin((begins + np.arange(40)) / 8.0).astype('float64')
known = Variable(torch.from_numpy(waves[2:, :-1]), requires_grad=False)
following = Variable(torch.from_numpy(waves[2:, 1:]), requires_grad=False)
test_known, test_following = Variable(torch.from_numpy(waves[:2, :-1])), Variable(torch.from_numpy(waves[:2, 1:]))
model = Waves(16)
model.double()
criterion = nn.MSELoss()
optimizer = optim.LBFGS(model.parameters(), lr=0.8, max_iter=10)
for step in range(3):
    def closure():
        optimizer.zero_grad()
        loss = criterion(model(known), following)
        loss.backward()
        return loss
    first = optimizer.step(closure)
    continued = model(test_known, future=10)
    test = criterion(continued[:, :-10], test_following)
    print('loss:', first.data.numpy()[0])
    print('test loss:', test.data.numpy()[0])
print(continued.data.numpy().shape, continued.data.numpy().dtype, type(first.data))
