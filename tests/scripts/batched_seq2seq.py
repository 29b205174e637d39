# Repeating sequences: packed batches, a bidirectional reader, a writer that attends, and a loss with the padding masked.
import random

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.autograd import Variable
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

random.seed(3)
torch.manual_seed(3)
use_gpu = torch.cuda.is_available()
NOTHING, GO, STOP = 0, 1, 2
SYMBOLS = 8


def up_to(lengths, longest=None):
    """1 at the places of each row that are before its length."""
    if longest is None:
        longest = lengths.data.max()
    places = Variable(torch.arange(0, longest).long().unsqueeze(0).expand(lengths.size(0), longest))
    if lengths.is_cuda:
        places = places.cuda()
    return places < lengths.unsqueeze(1).expand_as(places)


def loss_without_padding(scores, wanted, lengths):
    lengths = Variable(torch.LongTensor(lengths))
    flat = F.log_softmax(scores.view(-1, scores.size(-1)))
    each = -torch.gather(flat, dim=1, index=wanted.view(-1, 1)).view(*wanted.size())
    return (each * up_to(lengths, longest=wanted.size(1)).float()).sum() / lengths.float().sum()


class Reader(nn.Module):
    def __init__(self, width, layers):
        super(Reader, self).__init__()
        self.width = width
        self.symbols = nn.Embedding(SYMBOLS, width)
        self.gru = nn.GRU(width, width, layers, dropout=0.0, bidirectional=True)

    def forward(self, batch, lengths, state=None):
        outputs, state = self.gru(pack_padded_sequence(self.symbols(batch), lengths), state)
        outputs, _ = pad_packed_sequence(outputs)
        return outputs[:, :, :self.width] + outputs[:, :, self.width:], state


class Writer(nn.Module):
    def __init__(self, kind, width, layers):
        super(Writer, self).__init__()
        self.kind, self.layers = kind, layers
        self.symbols = nn.Embedding(SYMBOLS, width)
        self.gru = nn.GRU(width, width, layers)
        self.match = nn.Linear(width * (2 if kind == 'concat' else 1), width)
        self.v = nn.Parameter(torch.FloatTensor(1, width).uniform_(-0.1, 0.1))
        self.join = nn.Linear(width * 2, width)
        self.out = nn.Linear(width, SYMBOLS)

    def energy(self, here, there):
        if self.kind == 'dot':
            return here.dot(there)
        if self.kind == 'general':
            return here.dot(self.match(there))
        return self.v.dot(self.match(torch.cat((here, there), 1)))

    def attend(self, here, read):
        energies = Variable(torch.zeros(read.size(1), read.size(0)))
        if use_gpu:
            energies = energies.cuda()
        for b in range(read.size(1)):
            for i in range(read.size(0)):
                energies[b, i] = self.energy(here[:, b], read[i, b].unsqueeze(0))
        return F.softmax(energies).unsqueeze(1)

    def forward(self, symbol, state, read):
        out, state = self.gru(self.symbols(symbol).view(1, symbol.size(0), -1), state)
        weights = self.attend(out, read)
        context = weights.bmm(read.transpose(0, 1)).squeeze(1)
        return self.out(F.tanh(self.join(torch.cat((out.squeeze(0), context), 1)))), state, weights


def one_by_one(kind):
    """The attention of a single sequence: energies in one dimension."""
    writer = Writer(kind, 4, 1)
    read = Variable(torch.randn(3, 4))
    energies = Variable(torch.zeros(3))
    for i in range(3):
        energies[i] = writer.energy(Variable(torch.ones(1, 4)), read[i].view(1, -1))
    weights = F.softmax(energies).unsqueeze(0).unsqueeze(0)
    return weights.bmm(read.unsqueeze(0)).size(), weights.sum().data[0]


def batch(count):
    rows = [[random.randint(3, SYMBOLS - 1) for _ in range(random.randint(1, 3))] + [STOP] for _ in range(count)]
    rows.sort(key=len, reverse=True)
    lengths = [len(row) for row in rows]
    filled = [row + [NOTHING] * (max(lengths) - len(row)) for row in rows]
    return Variable(torch.LongTensor(filled)).transpose(0, 1), lengths


reader, writer = Reader(24, 2), Writer('general', 24, 2)
optimizers = [torch.optim.Adam(reader.parameters(), lr=0.01), torch.optim.Adam(writer.parameters(), lr=0.02)]
for step in range(41):
    x, lengths = batch(12)
    read, state = reader(x, lengths, None)
    state = state[:writer.layers]
    symbol = Variable(torch.LongTensor([GO] * 12))
    written = Variable(torch.zeros(max(lengths), 12, writer.out.out_features))
    for t in range(max(lengths)):
        scores, state, weights = writer(symbol, state, read)
        written[t] = scores
        symbol = x[t]
    loss = loss_without_padding(written.transpose(0, 1).contiguous(), x.transpose(0, 1).contiguous(), lengths)
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    norms = [torch.nn.utils.clip_grad_norm(part.parameters(), 5.0) for part in (reader, writer)]
    for optimizer in optimizers:
        optimizer.step()
    if step % 10 == 0:
        print('%d %.4f %s' % (step, loss.data[0], type(norms[0]).__name__))
print(weights.size(), '%.3f' % (weights.data.sum() / 12))
mask = up_to(Variable(torch.LongTensor(lengths))).data.t()
guess = written.data.topk(1)[1].squeeze(2)
print('right %.3f' % (((guess == x.data) * mask).sum() / mask.sum()))
for kind in ('dot', 'general', 'concat'):
    size, total = one_by_one(kind)
    print(kind, size, '%.3f' % total)
