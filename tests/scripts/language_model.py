# A model of words in a stream: batches cut from it in turn, the hidden state carried over and cut off between them.
import argparse
import math

import torch
import torch.nn as nn
from torch.autograd import Variable

parser = argparse.ArgumentParser(description='counting')
parser.add_argument('--model', type=str, default='LSTM', help='RNN_TANH, RNN_RELU, LSTM or GRU')
parser.add_argument('--epochs', type=int, default=8)
parser.add_argument('--tied', action='store_true')
args = parser.parse_args()
torch.manual_seed(11)

vocabulary = 'one two three four five six seven eight nine ten <eos>'.split()
stream = torch.LongTensor(len(vocabulary) * 60)
for place in range(len(stream)):
    stream[place] = place % len(vocabulary)
N = len(vocabulary)
STEPS = 8


def columns(data, count):
    rows = data.size(0) // count
    return data.narrow(0, 0, rows * count).view(count, -1).t().contiguous()


def repackage(state):
    if type(state) == Variable:
        return Variable(state.data)
    return tuple(repackage(part) for part in state)


class Counter(nn.Module):
    def __init__(self, kind, width, layers, dropout, tied):
        super(Counter, self).__init__()
        self.kind, self.width, self.layers = kind, width, layers
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(N, width)
        if kind.startswith('RNN'):
            self.rnn = nn.RNN(width, width, layers, nonlinearity=kind[4:].lower(), dropout=0)
        else:
            self.rnn = getattr(nn, kind)(width, width, layers, dropout=0)
        self.decoder = nn.Linear(width, N)
        if tied:
            self.decoder.weight = self.encoder.weight
        for weight in (self.encoder.weight, self.decoder.weight):
            weight.data.uniform_(-0.1, 0.1)
        self.decoder.bias.data.fill_(0)

    def forward(self, words, state):
        out, state = self.rnn(self.drop(self.encoder(words)), state)
        out = self.drop(out)
        scores = self.decoder(out.view(out.size(0) * out.size(1), out.size(2)))
        return scores.view(out.size(0), out.size(1), scores.size(1)), state

    def init_hidden(self, count):
        weight = next(self.parameters()).data
        zeros = [Variable(weight.new(self.layers, count, self.width).zero_()) for _ in range(2)]
        return tuple(zeros) if self.kind == 'LSTM' else zeros[0]


model = Counter(args.model, 32, 1, 0.1, args.tied)
criterion = nn.CrossEntropyLoss()


def cut(data, i, volatile=False):
    n = min(STEPS, len(data) - 1 - i)
    return Variable(data[i:i + n], volatile=volatile), Variable(data[i + 1:i + 1 + n].view(-1))


def perplexity(data):
    model.eval()
    total, state = 0, model.init_hidden(data.size(1))
    for i in range(0, data.size(0) - 1, STEPS):
        x, y = cut(data, i, volatile=True)
        scores, state = model(x, state)
        total += len(x) * criterion(scores.view(-1, N), y).data
        state = repackage(state)
    return math.exp(total[0] / (len(data) - 1))


train_data, held_out = columns(stream, 10), columns(stream[:110], 5)
rate, best = 10, None
for epoch in range(1, args.epochs + 1):
    model.train()
    state, total = model.init_hidden(10), 0
    for k, i in enumerate(range(0, train_data.size(0) - 1, STEPS)):
        x, y = cut(train_data, i)
        state = repackage(state)
        model.zero_grad()
        scores, state = model(x, state)
        loss = criterion(scores.view(-1, N), y)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm(model.parameters(), 0.25)
        for p in model.parameters():
            p.data.add_(-rate, p.grad.data)
        total += loss.data
    now = perplexity(held_out)
    print('epoch {:2d} | loss {:5.2f} | norm {:5.2f} | perplexity {:7.2f}'.format(epoch, total[0] / (k + 1), norm, now))
    if best is None or now < best:
        best = now
    else:
        rate /= 2.0

state = model.init_hidden(1)
word = Variable(torch.LongTensor(1, 1).fill_(0), volatile=True)
said = []
for k in range(12):
    scores, state = model(word, state)
    drawn = torch.multinomial(scores.squeeze().data.div(0.5).exp().cpu(), 1)[0]
    word.data.fill_(drawn)
    said.append(vocabulary[drawn])
print('said:', ' '.join(said))
