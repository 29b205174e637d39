# -*- coding: utf-8 -*-
# A decoder over four symbols, trained on a Markov chain; then greedy search, beam search and every sequence there is.
import itertools

import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision.transforms as T  # as in many a script: never used
from torch.autograd import Variable

torch.manual_seed(5)
SYMBOLS, HIDDEN, LENGTH = 4, 16, 4
CHAIN = torch.FloatTensor([[1, 6, 2, 1], [4, 1, 1, 4], [2, 2, 5, 1], [1, 3, 3, 3]])


class Decoder(nn.Module):
    def __init__(self):
        super(Decoder, self).__init__()
        self.embed = nn.Embedding(SYMBOLS, HIDDEN)
        self.gru = nn.GRU(HIDDEN, HIDDEN, batch_first=True)
        self.out = nn.Linear(HIDDEN, SYMBOLS)

    def forward(self, symbols, hidden=None):
        output, hidden = self.gru(self.embed(symbols), hidden)
        scores = self.out(F.relu(output).view(-1, HIDDEN))
        return scores.view(symbols.size(0), symbols.size(1), SYMBOLS), hidden


def sample_batch(size):
    rows = Variable(torch.zeros(size, LENGTH + 1).long())
    for row in range(size):
        walk = [0]
        while len(walk) < LENGTH + 1:
            walk.append(torch.multinomial(CHAIN[walk[-1]], 1)[0])
        rows[row, :] = torch.LongTensor(walk)
    return rows


decoder = Decoder()
optimizer = torch.optim.Adam(decoder.parameters(), lr=0.02)
for step in range(150):
    batch = sample_batch(32)
    scores, _ = decoder(batch[:, :-1])
    loss = F.cross_entropy(scores.view(-1, SYMBOLS), batch[:, 1:].contiguous().view(-1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print('loss %.4f' % loss.data[0])


def topk_accuracy(output, target, topk):
    _, pred = output.topk(max(topk), 1, True, True)
    pred = pred.t()
    correct = pred.eq(target.view(1, -1).expand_as(pred))
    return [correct[:k].view(-1).float().sum(0)[0] / target.size(0) for k in topk]


batch = sample_batch(200)
scores, _ = decoder(batch[:, :-1])
target = batch.data[:, 1:].contiguous().view(-1)
print('topk %.3f %.3f %.3f' % tuple(topk_accuracy(scores.data.view(-1, SYMBOLS), target, (1, 2, 4))))


def log_likelihood(symbols):
    scores, _ = decoder(Variable(torch.LongTensor([[0] + list(symbols[:-1])]), volatile=True))
    log_probs = F.log_softmax(scores.squeeze(0), dim=1).data
    return sum(log_probs[i][symbol] for i, symbol in enumerate(symbols))


def beam_search(width):
    symbol, hidden = torch.zeros(1).long(), None
    sums, paths = torch.zeros(1), None
    for _ in range(LENGTH):
        scores, hidden = decoder(Variable(symbol.view(-1, 1), volatile=True), hidden)
        log_probs = F.log_softmax(scores.squeeze(1), dim=1).data + sums.unsqueeze(1).expand(sums.size(0), SYMBOLS)
        sums, best = log_probs.view(1, -1).topk(min(width, log_probs.numel()), 1, True, True)
        sums, best = sums.view(-1), best.view(-1)
        previous = best / SYMBOLS
        symbol = best - previous * SYMBOLS
        hidden = hidden.index_select(1, Variable(previous))
        grown = symbol.unsqueeze(1)
        paths = grown if paths is None else torch.cat([paths.index_select(0, previous), grown], 1)
    return paths[0].tolist(), sums[0]


for width in (1, 3, SYMBOLS ** LENGTH):
    path, value = beam_search(width)
    print('beam %d %.5f %.5f %s' % (width, value, log_likelihood(path), path))
path = max(itertools.product(range(SYMBOLS), repeat=LENGTH), key=log_likelihood)
print('every %.5f %s' % (log_likelihood(path), list(path)))
