# Handwritten-like digits: seven-segment patterns with noise, from a Dataset through a DataLoader with workers.
from collections import OrderedDict
import os
import sys
import tempfile

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
import torch.utils.data as Data
from torch.autograd import Variable
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(42)
use_cuda = torch.cuda.is_available()

SEGMENTS = ['1110111', '0010010', '1011101', '1011011', '0111010', '1101011', '1101111', '1010010', '1111111', '1111011']


class Digits(Dataset):
    """Noisy seven-segment digits."""

    def __init__(self, count, noise):
        self.len = count
        self.labels = torch.LongTensor(count).random_(0, 10)
        clean = torch.Tensor([[float(s) for s in pattern] for pattern in SEGMENTS])
        self.x = clean[self.labels] + noise * torch.randn(count, 7)

    def __getitem__(self, index):
        return self.x[index], self.labels[index]

    def __len__(self):
        return self.len


train_loader = DataLoader(dataset=Digits(600, 0.2), batch_size=50, shuffle=True, num_workers=2)
test_loader = DataLoader(Digits(200, 0.2), 100, False, num_workers=0)

model = nn.Sequential(OrderedDict([
    ('fc1', nn.Linear(7, 32)),
    ('relu1', nn.ReLU()),
    ('drop', nn.Dropout(p=0.1)),
    ('fc2', nn.Linear(32, 10)),
]))
model.add_module('out', nn.LogSoftmax())
print(model)
if use_cuda:
    model = model.cuda()

optimizer = optim.Adam(model.parameters(), lr=0.01)


def train(epoch):
    model.train()
    for k, (x, y) in enumerate(train_loader):
        if use_cuda:
            x, y = x.cuda(), y.cuda(async=True)
        x, y = Variable(x), Variable(y)
        optimizer.zero_grad()
        loss = F.nll_loss(model(x), y)
        loss.backward()
        optimizer.step()
        if k % 6 == 0:
            print('epoch {}: {}/{} ({:.0f}%)\tloss {:.6f}'.format(
                epoch, k * len(x), len(train_loader.dataset), 100. * k / len(train_loader), loss.data[0]))


def test():
    model.eval()
    loss, right = 0, 0
    for x, y in test_loader:
        x, y = Variable(x, volatile=True), Variable(y)
        output = model(x)
        loss += F.nll_loss(output, y, size_average=False).data[0]
        guess = output.data.max(1, keepdim=True)[1]
        right += guess.eq(y.data.view_as(guess)).cpu().sum()
    count = len(test_loader.dataset)
    print('\nheld out: loss {:.4f}, right {}/{} ({:.0f}%)\n'.format(loss / count, right, count, 100. * right / count))
    return output


for epoch in range(1, 5):
    train(epoch)
    output = test()
print('volatile', output.volatile, output.requires_grad)

data_iter = iter(train_loader)
images, labels = data_iter.next()
print(images.size(), labels.size(), type(labels))

path = os.path.join(tempfile.mkdtemp(), 'model.pkl')
if sys.argv[1:] != ['--no-save']:
    torch.save(model.state_dict(), path)
    model.load_state_dict(torch.load(path))
    print('saved', sorted(model.state_dict().keys()))

torch_dataset = Data.TensorDataset(data_tensor=torch.linspace(1, 10, 10), target_tensor=torch.linspace(10, 1, 10))
loader = Data.DataLoader(dataset=torch_dataset, batch_size=4, shuffle=True, num_workers=2)
for step, (batch_x, batch_y) in enumerate(loader):
    print('Step:', step, '| sums:', (batch_x + batch_y).numpy())
