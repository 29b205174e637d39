# Time series: nn.RNN with its state carried along, windows through an LSTM, a cell step by step; rates by schedule.
import numpy as np
import torch
from torch import nn
from torch.autograd import Variable
from torch.optim import lr_scheduler

torch.manual_seed(1)
STEPS = 10


class Follower(nn.Module):
    def __init__(self, size):
        super(Follower, self).__init__()
        self.rnn = nn.RNN(
            input_size=1,
            hidden_size=size,
            num_layers=1,
            batch_first=True,
        )
        self.out = nn.Linear(size, 1)

    def forward(self, x, h_state):
        states, h_state = self.rnn(x, h_state)
        return torch.stack([self.out(states[:, t, :]) for t in range(states.size(1))], dim=1), h_state


follower = Follower(32)
print(follower)
optimizer = torch.optim.Adam(follower.parameters(), lr=0.02)
criterion = nn.MSELoss()
h_state, losses = None, []
for k in range(100):
    times = np.linspace(k * np.pi, (k + 1) * np.pi, STEPS, dtype=np.float32)
    x = Variable(torch.from_numpy(np.sin(times)[np.newaxis, :, np.newaxis]))
    y = Variable(torch.from_numpy(np.cos(times)[np.newaxis, :, np.newaxis]))
    y_, h_state = follower(x, h_state)
    h_state = Variable(h_state.data)
    loss = criterion(y_, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.data.numpy()[0])
print('first %.3f last %.3f' % (np.mean(losses[:10]), np.mean(losses[-10:])))


class Forecaster(nn.Module):
    def __init__(self, layers, size):
        super(Forecaster, self).__init__()
        self.layers, self.size = layers, size
        self.lstm = nn.LSTM(1, size, num_layers=layers, batch_first=True, dropout=0.0)
        self.linear = nn.Linear(size, 1)

    def forward(self, x):
        zeros = [Variable(torch.zeros(self.layers, x.size(0), self.size)) for _ in 'hc']
        out, _ = self.lstm(x, tuple(zeros))
        return self.linear(out[:, -1, :])


series = np.sin(np.arange(60) / 4.)
x = Variable(torch.Tensor(np.stack([series[i:i + 8] for i in range(50)])).view(50, 8, 1))
y = Variable(torch.Tensor(series[8:58]))
model = Forecaster(2, 8)
optimizer = torch.optim.Adagrad(model.parameters(), lr=0.1)
scheduler = lr_scheduler.StepLR(optimizer, step_size=30, gamma=0.5)
plateau = lr_scheduler.ReduceLROnPlateau(optimizer, 'min', patience=1000)
for epoch in range(90):
    scheduler.step()
    loss = criterion(model(x), y)  # (50, 1) against (50,)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    plateau.step(loss.data[0])
print('forecast %.4f' % loss.data[0], 'rate', optimizer.param_groups[0]['lr'])
for param_group in optimizer.param_groups:
    param_group['lr'] *= 0.1
print('rate %.4f' % optimizer.param_groups[0]['lr'])

cell, readout = nn.GRUCell(1, 6), nn.Linear(6, 1)
optimizer = torch.optim.SGD(list(cell.parameters()) + list(readout.parameters()), lr=0.02, momentum=0.9, nesterov=True)
h, errors = Variable(torch.zeros(1, 6)), []
for t in range(600):
    h = cell(Variable(torch.FloatTensor([[series[t % 50]]])), h.detach())
    loss = (readout(h) - series[(t + 1) % 50]) ** 2
    optimizer.zero_grad()
    loss.sum().backward()
    optimizer.step()
    errors.append(loss.data[0][0])
print('cell %.3f %.3f' % (np.mean(errors[:50]), np.mean(errors[-50:])))
