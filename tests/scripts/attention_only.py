"""Short rows of digits read backwards by attention alone; smoothed targets, a warmed-up rate, and a beam to decode."""
import copy
import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.autograd import Variable

PAD, GO, END, FIRST, WORDS = 0, 1, 2, 3, 9
torch.manual_seed(3)
np.random.seed(3)


def later(n):
    """1 where a position would look ahead."""
    return torch.from_numpy(np.triu(np.ones((1, n, n)), k=1).astype('uint8'))


class Heads(nn.Module):
    def __init__(self, size, heads):
        super(Heads, self).__init__()
        self.heads, self.each = heads, size // heads
        self.maps = nn.ModuleList([copy.deepcopy(nn.Linear(size, size)) for _ in range(4)])
        self.weights = None

    def forward(self, q, k, v, mask):
        n = q.size(0)
        q, k, v = [m(x).view(n, -1, self.heads, self.each).transpose(1, 2) for m, x in zip(self.maps, (q, k, v))]
        scores = torch.matmul(q, k.transpose(-2, -1)) / math.sqrt(self.each)
        self.weights = F.softmax(scores.masked_fill(mask.unsqueeze(1), -1e9), dim=-1)
        x = torch.matmul(self.weights, v).transpose(1, 2).contiguous().view(n, -1, self.heads * self.each)
        return self.maps[-1](x)


class Norm(nn.Module):
    def __init__(self, size):
        super(Norm, self).__init__()
        self.scale = nn.Parameter(torch.ones(size))
        self.shift = nn.Parameter(torch.zeros(size))

    def forward(self, x):
        return self.scale * (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-6) + self.shift


class Reverser(nn.Module):
    def __init__(self, size=32, heads=4, longest=10):
        super(Reverser, self).__init__()
        self.words = nn.Embedding(WORDS, size, padding_idx=PAD)
        places = torch.zeros(longest, size)
        angle = torch.arange(0, longest).unsqueeze(1) * torch.exp(torch.arange(0, size, 2) * -(math.log(100.0) / size))
        places[:, 0::2], places[:, 1::2] = torch.sin(angle), torch.cos(angle)
        self.register_buffer('places', places.unsqueeze(0))
        self.reading, self.writing, self.looking = Heads(size, heads), Heads(size, heads), Heads(size, heads)
        self.norms = nn.ModuleList([Norm(size) for _ in range(4)])
        self.mix = nn.Sequential(nn.Linear(size, 2 * size), nn.ReLU(), nn.Linear(2 * size, size))
        self.out = nn.Linear(size, WORDS, bias=False)
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.xavier_uniform(p)
        self.out.weight = self.words.weight

    def embed(self, x):
        return self.words(x) * math.sqrt(self.words.embedding_dim) + Variable(self.places[:, :x.size(1)])

    def forward(self, source, target):
        unseen = (source == PAD).unsqueeze(-2)
        memory = self.embed(source)
        memory = self.norms[0](memory + self.reading(memory, memory, memory, unseen))
        x = self.embed(target)
        ahead = Variable(later(target.size(1)).expand(target.size(0), target.size(1), target.size(1)))
        x = self.norms[1](x + self.writing(x, x, x, ahead))
        x = self.norms[2](x + self.looking(x, memory, memory, unseen))
        return F.log_softmax(self.out(self.norms[3](x + self.mix(x))), dim=-1)


def smoothed(target, log_p, smoothing=0.1):
    spread = log_p.data.clone().fill_(smoothing / (WORDS - 2))
    spread.scatter_(1, target.data.unsqueeze(1), 1 - smoothing)
    spread[:, PAD] = 0
    empty = torch.nonzero(target.data == PAD)
    if empty.dim() > 0:
        spread.index_fill_(0, empty.squeeze(1), 0)
    return nn.KLDivLoss(size_average=False)(log_p, Variable(spread))


def rows(count):
    source, target = np.zeros((count, 5), 'int64'), np.zeros((count, 7), 'int64')
    for s, t in zip(source, target):
        digits = np.random.randint(FIRST, WORDS, np.random.randint(2, 6))
        s[:len(digits)] = digits
        t[:len(digits) + 2] = [GO] + list(digits[::-1]) + [END]
    return Variable(torch.from_numpy(source)), Variable(torch.from_numpy(target))


def beam(model, source, width=3):
    """The most likely row for one source: indices into (beam, word) by division and remainder."""
    scores, written = torch.zeros(1), torch.LongTensor([[GO]])
    for _ in range(6):
        log_p = model(source.expand(written.size(0), source.size(1)), Variable(written, volatile=True))[:, -1].data
        over = written[:, -1].eq(END).unsqueeze(1).expand_as(log_p)
        log_p.masked_fill_(over, -1e9)
        log_p[:, END] = log_p[:, END] * (1 - written[:, -1].eq(END).float())
        scores, chosen = (scores.unsqueeze(1).expand_as(log_p) + log_p).view(-1).topk(width, 0, True, True)
        origin = chosen / WORDS
        written = torch.cat([written.index_select(0, origin), (chosen - origin * WORDS).unsqueeze(1)], 1)
    best = written[0].tolist()
    return best[1:best.index(END)] if END in best else best[1:]


model = Reverser()
print('tied', model.out.weight is model.words.weight, len(list(model.parameters())))
optimizer = torch.optim.Adam(model.parameters(), lr=0, betas=(0.9, 0.98), eps=1e-9)
for step in range(1, 601):
    for group in optimizer.param_groups:
        group['lr'] = 0.06 * min(step ** -0.5, step * 50 ** -1.5)
    source, target = rows(32)
    log_p = model(source, target[:, :-1])
    wanted = target[:, 1:].contiguous().view(-1)
    loss = smoothed(wanted, log_p.view(-1, WORDS)) / wanted.ne(PAD).data.sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step == 1 or step % 200 == 0:
        print('step %d loss %.3f' % (step, loss.data[0]))
model.eval()
source, target = rows(40)
right = 0
for s, t in zip(source, target):
    wanted = [w for w in t.data if w >= FIRST]
    right += beam(model, Variable(s.data.unsqueeze(0), volatile=True)) == wanted
print('right %d of 40' % right)
print('weights', model.looking.weights.size(), '%.3f' % model.looking.weights.data.sum(3).mean())
