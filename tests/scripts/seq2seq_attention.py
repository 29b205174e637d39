# Reversing sequences: a reader, a writer with attention over what was read, and teacher forcing half of the time.
import random

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import optim
from torch.autograd import Variable

random.seed(2)
torch.manual_seed(2)
use_cuda = torch.cuda.is_available()
BEGIN, END, LONGEST, SYMBOLS, WIDTH = 0, 1, 4, 5, 32


def gpu(value):
    return value.cuda() if use_cuda else value


class Reader(nn.Module):
    def __init__(self):
        super(Reader, self).__init__()
        self.embedding = nn.Embedding(SYMBOLS, WIDTH)
        self.gru = nn.GRU(WIDTH, WIDTH)

    def forward(self, symbol, hidden):
        return self.gru(self.embedding(symbol).view(1, 1, -1), hidden)

    def initHidden(self):
        return gpu(Variable(torch.zeros(1, 1, WIDTH)))


class Writer(nn.Module):
    def __init__(self, p):
        super(Writer, self).__init__()
        self.embedding = nn.Embedding(SYMBOLS, WIDTH)
        self.attn = nn.Linear(2 * WIDTH, LONGEST)
        self.mix = nn.Linear(2 * WIDTH, WIDTH)
        self.dropout = nn.Dropout(p)
        self.gru = nn.GRU(WIDTH, WIDTH)
        self.out = nn.Linear(WIDTH, SYMBOLS)

    def forward(self, symbol, hidden, read):
        vector = self.dropout(self.embedding(symbol).view(1, 1, -1))
        attn_weights = F.softmax(self.attn(torch.cat((vector[0], hidden[0]), 1)), dim=1)
        seen = torch.bmm(attn_weights.unsqueeze(0), read.unsqueeze(0))
        mixed = F.relu(self.mix(torch.cat((vector[0], seen[0]), 1)).unsqueeze(0))
        output, hidden = self.gru(mixed, hidden)
        return F.log_softmax(self.out(output[0]), dim=1), hidden, attn_weights


reader, writer = Reader(), Writer(0.0)
optimizers = [optim.Adam(model.parameters(), lr=0.01) for model in (reader, writer)]
criterion = nn.NLLLoss()


def example():
    symbols = [random.randint(2, SYMBOLS - 1) for _ in range(random.randint(2, LONGEST - 1))]
    return symbols + [END], symbols[::-1] + [END]


def read_all(symbols):
    x = gpu(Variable(torch.LongTensor(symbols).view(-1, 1)))
    hidden = reader.initHidden()
    read = gpu(Variable(torch.zeros(LONGEST, WIDTH)))
    for i in range(x.size()[0]):
        output, hidden = reader(x[i], hidden)
        read[i] = output[0][0]
    return read, hidden


def learn(source, target, forced):
    for optimizer in optimizers:
        optimizer.zero_grad()
    read, hidden = read_all(source)
    y = gpu(Variable(torch.LongTensor(target).view(-1, 1)))
    symbol, loss = gpu(Variable(torch.LongTensor([[BEGIN]]))), 0
    for i in range(y.size()[0]):
        output, hidden, _ = writer(symbol, hidden, read)
        loss += criterion(output, y[i])
        if forced:
            symbol = y[i]
        else:
            topv, topi = output.data.topk(1)
            guess = topi[0][0]
            symbol = gpu(Variable(torch.LongTensor([[guess]])))
            if guess == END:
                break
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
    return loss.data[0] / len(target)


def write(source):
    read, hidden = read_all(source)
    symbol, said = Variable(torch.LongTensor([[BEGIN]])), []
    attentions = torch.zeros(LONGEST, LONGEST)
    for i in range(LONGEST):
        output, hidden, weights = writer(symbol, hidden, read)
        attentions[i] = weights.data
        topv, topi = output.data.topk(1)
        said.append(topi[0][0])
        if said[-1] == END:
            break
        symbol = Variable(torch.LongTensor([[said[-1]]]))
    return said, attentions[:i + 1]


total = 0
for step in range(1, 501):
    total += learn(*example(), forced=random.random() < 0.5)
    if step % 100 == 0:
        print('%d %.4f' % (step, total / 100))
        total = 0
right = 0
for k in range(50):
    source, target = example()
    said, attentions = write(source)
    right += said == target
print('right', right, 'of 50')
print('attention', attentions.sum(1).mean(), tuple(attentions.size())[1])
