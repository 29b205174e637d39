# Learning by remembered experience to walk a corridor to its right end.
import math
import random
from collections import deque, namedtuple
from itertools import count

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.autograd import Variable

random.seed(0)
torch.manual_seed(0)
gpu = torch.cuda.is_available()
FloatTensor = torch.cuda.FloatTensor if gpu else torch.FloatTensor
LongTensor = torch.cuda.LongTensor if gpu else torch.LongTensor
ByteTensor = torch.cuda.ByteTensor if gpu else torch.ByteTensor

Moment = namedtuple('Moment', 'here move there gain')
CELLS, BATCH = 5, 24
past = deque(maxlen=500)

values = nn.Sequential(nn.Linear(CELLS, 16), nn.ReLU(), nn.Linear(16, 2))
optimizer = optim.RMSprop(values.parameters(), lr=0.01)


def picture(cell):
    row = torch.zeros(1, CELLS)
    row[0, cell] = 1
    return row


def choose(row, step):
    if random.random() < 0.05 + 0.9 * math.exp(-1. * step / 60):
        return LongTensor([[random.randrange(2)]])
    return values(Variable(row, volatile=True).type(FloatTensor)).data.max(1)[1].view(1, 1)


def learn():
    moments = Moment(*zip(*random.sample(list(past), BATCH)))
    goes_on = ByteTensor(tuple(map(lambda row: row is not None, moments.there)))
    following = Variable(torch.cat([row for row in moments.there if row is not None]), volatile=True)
    claimed = values(Variable(torch.cat(moments.here))).gather(1, Variable(torch.cat(moments.move)))
    later = Variable(torch.zeros(BATCH).type(FloatTensor))
    later[goes_on] = values(following).max(1)[0]
    later.volatile = False  # a target is no part of what is learned
    loss = F.smooth_l1_loss(claimed, later * 0.9 + Variable(torch.cat(moments.gain)))
    optimizer.zero_grad()
    loss.backward()
    for weight in values.parameters():
        weight.grad.data.clamp_(-1, 1)
    optimizer.step()


walks, steps = [], 0
for walk in range(40):
    cell = 0
    for t in count(1):
        row = picture(cell)
        move = choose(row, steps)
        steps += 1
        cell = max(cell + (1 if move[0, 0] else -1), 0)
        there = cell == CELLS - 1
        past.append(Moment(row, move, None if there else picture(cell), FloatTensor([1.0 if there else 0.0])))
        if len(past) >= BATCH:
            learn()
        if there or t > 40:
            walks.append(t)
            break
running = torch.Tensor(walks).unfold(0, 10, 1).mean(1).view(-1)
running = torch.cat((torch.zeros(9), running))
print('last ten walks %.1f' % running[-1], len(running))
print(values(Variable(torch.eye(CELLS), volatile=True)).data.max(1)[1][:-1].tolist())
