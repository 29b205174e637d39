# Saving: parameters, whole networks, checkpoints, plain tensors.
import os
import shutil
import tempfile

import numpy as np
import torch
import torch.nn as nn
from torch.autograd import Variable

torch.manual_seed(1)
folder = tempfile.mkdtemp()


def path(name):
    return os.path.join(folder, name)


def parabola_net():
    return torch.nn.Sequential(torch.nn.Linear(1, 10), torch.nn.ReLU(), torch.nn.Linear(10, 1))


x = Variable(torch.unsqueeze(torch.linspace(-1, 1, 100), dim=1))
y = Variable(x.data.pow(2) + 0.2 * torch.rand(x.size()))
net = parabola_net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
for t in range(100):
    loss = torch.nn.MSELoss()(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
torch.save(net, path('net.pkl'))
torch.save(net.state_dict(), path('net_params.pkl'))
whole = torch.load(path('net.pkl'))
other = parabola_net()
other.load_state_dict(torch.load(path('net_params.pkl'), map_location=lambda storage, loc: storage))
print('same', torch.equal(whole(x).data, net(x).data), torch.equal(other(x).data, net(x).data))


class Tagger(nn.Module):
    def __init__(self, n):
        super(Tagger, self).__init__()
        self.rnn = nn.GRU(n, n)

    def forward(self, x):
        return self.rnn(x)[0]


model = Tagger(4)
optimizer = torch.optim.Adam(model.parameters(), 0.01)
model(Variable(torch.randn(3, 1, 4))).sum().backward()
optimizer.step()
torch.save({'epoch': 5, 'state_dict': model.state_dict(), 'optimizer': optimizer.state_dict()}, path('last.pth.tar'))
shutil.copyfile(path('last.pth.tar'), path('best.pth.tar'))
checkpoint = torch.load(path('best.pth.tar'), map_location={'cuda:0': 'cpu'})
again = Tagger(4)
again.load_state_dict(checkpoint['state_dict'])
optimizer = torch.optim.Adam(again.parameters(), 0.1)
optimizer.load_state_dict(checkpoint['optimizer'])
print('checkpoint', checkpoint['epoch'], optimizer.param_groups[0]['lr'], len(optimizer.state))

with open(path('model.pt'), 'wb') as f:
    torch.save(model, f)
with open(path('model.pt'), 'rb') as f:
    loaded = torch.load(f)
z = Variable(torch.randn(3, 1, 4))
print('whole', type(loaded).__name__, torch.equal(model(z).data, loaded(z).data))
torch.save([model, again], path('two.pt'))
first, second = torch.load(path('two.pt'))
print('two', first is not second, torch.equal(first.rnn.weight_hh_l0.data, second.rnn.weight_hh_l0.data))
with open(path('array.pt'), 'wb') as f:
    torch.save(np.arange(3), f)
print('array', torch.load(path('array.pt')))
mine = net.state_dict()
mine.update({k: v for k, v in torch.load(path('net_params.pkl')).items() if k in mine})
net.load_state_dict(mine)
torch.save({'t': torch.arange(0, 3), 'v': Variable(torch.ones(2))}, path('t.pt'))
print(torch.load(path('t.pt'))['t'])
shutil.rmtree(folder)
