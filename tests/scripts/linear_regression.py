# A line through noisy points, drawn as it moves.
import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn as nn
from torch.autograd import Variable

np.random.seed(1)
torch.manual_seed(1)

xs = np.random.uniform(-2, 2, (40, 1)).astype(np.float32)
ys = (3 * xs - 1 + 0.1 * np.random.randn(40, 1)).astype(np.float32)


class Line(nn.Module):
    def __init__(self, n_in, n_out):
        super(Line, self).__init__()
        self.linear = nn.Linear(n_in, n_out)

    def forward(self, x):
        return self.linear(x)


model = Line(1, 1)
print(model)
if torch.cuda.is_available():
    model.cuda()
criterion = nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)

plt.ion()
for epoch in range(1, 301):
    inputs = Variable(torch.from_numpy(xs).cuda()) if torch.cuda.is_available() else Variable(torch.from_numpy(xs))
    targets = Variable(torch.from_numpy(ys))
    optimizer.zero_grad()
    outputs = model(inputs)
    loss = criterion(outputs, targets)
    loss.backward()
    optimizer.step()
    if epoch % 100 == 0:
        print('epoch %d of 300, loss %.4f' % (epoch, loss.data[0]))
        plt.cla()
        plt.plot(xs, ys, 'ro', label='points')
        plt.plot(xs, outputs.data.numpy(), label='line')
        plt.text(0, 0, 'loss %.4f' % loss.data.numpy(), fontdict={'size': 20, 'color': 'red'})
        plt.legend()
plt.ioff()
plt.show()

fitted = model(Variable(torch.from_numpy(xs))).data.cpu().numpy()
print('mean error', float(np.mean(np.abs(fitted - (3 * xs - 1)))))
[w, b] = model.parameters()
print('slope', w.data[0][0], 'offset', b.data[0])
print('float', float(loss.data.numpy()), loss.data.numpy()[0], loss.data.tolist()[0])
