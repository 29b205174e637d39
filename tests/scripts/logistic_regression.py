# Two clouds, told apart by a sigmoid; then by scores.
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.autograd import Variable

torch.manual_seed(1)

centre = 2 * torch.ones(100, 2)
points = torch.cat((torch.normal(centre, 1), torch.normal(-centre, 1)), 0).type(torch.FloatTensor)
cloud = torch.cat((torch.zeros(100), torch.ones(100)), ).type(torch.LongTensor)
x, y = Variable(points), Variable(cloud.float())


class Cloud(torch.nn.Module):
    def __init__(self):
        super(Cloud, self).__init__()
        self.linear = torch.nn.Linear(2, 1)

    def forward(self, x):
        return F.sigmoid(self.linear(x))


model = Cloud()
criterion = torch.nn.BCELoss(size_average=True)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for epoch in range(60):
    loss = criterion(model(x), y)  # (200, 1) against (200,)
    if epoch % 20 == 0:
        print(epoch, loss.data[0])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
predicted = (model(x).data > 0.5).float()
print('correct', (predicted.squeeze() == y.data).sum(), 'of', len(points))
print('far out', model(Variable(torch.Tensor([[-9.0, -9.0]]))).data[0][0] > 0.5)

net = nn.Sequential(nn.Linear(2, 10), nn.ReLU(), nn.Linear(10, 2))
print(net)
optimizer = torch.optim.SGD(net.parameters(), lr=0.02)
criterion = nn.CrossEntropyLoss()
labels = Variable(cloud)
for t in range(100):
    scores = net(x)
    loss = criterion(scores, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
choice = torch.max(F.softmax(scores), 1)[1].data.numpy().squeeze()
print('Accuracy=%.2f' % (sum(choice == labels.data.numpy()) / 200.))
_, best = scores.max(1)
print('again', (best == labels).sum().data[0], (best.data == cloud).sum(), (1 - (best == labels)).sum().data[0])
print('rows sum to', np.round(nn.Softmax()(scores).sum(1).data.numpy()[:3], 3))
