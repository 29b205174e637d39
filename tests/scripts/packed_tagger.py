# A bidirectional tagger over sentences of different lengths, packed.
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.autograd import Variable
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

torch.manual_seed(7)
np.random.seed(7)
PAD = 0


class BiTagger(nn.Module):
    def __init__(self, vocab, embed, hidden, tags, bidirectional=True):
        super().__init__()
        self.num_directions = 2 if bidirectional else 1
        self.hidden = hidden
        self.embed = nn.Embedding(vocab, embed, padding_idx=PAD)
        self.lstm = nn.LSTM(embed, hidden, 1, batch_first=True, bidirectional=bidirectional)
        self.out = nn.Linear(hidden * self.num_directions, tags)
        nn.init.xavier_uniform(self.lstm.weight_ih_l0)
        nn.init.constant(self.out.bias, 0)
        nn.init.normal(self.out.weight, mean=0, std=0.1)

    def init_hidden(self, batch):
        shape = (self.num_directions, batch, self.hidden)
        return Variable(torch.zeros(*shape)), Variable(torch.zeros(shape))

    def forward(self, x, lengths):
        embedded = self.embed(x)
        packed = pack_padded_sequence(embedded, lengths, batch_first=True)
        output, (h, c) = self.lstm(packed, self.init_hidden(x.size(0)))
        output, out_lengths = pad_packed_sequence(output, batch_first=True)
        scores = self.out(output.contiguous().view(-1, output.size(2)))
        return scores, h, out_lengths, packed


def batch(count):
    # a word's tag: whether the word after it (padding: nothing) is bigger
    lengths = sorted(np.random.randint(2, 7, count).tolist(), reverse=True)
    x = torch.zeros(count, lengths[0]).long()
    y = torch.LongTensor(count, lengths[0]).fill_(-1)
    for b, n in enumerate(lengths):
        words = np.random.randint(1, 10, n)
        x[b, :n] = torch.from_numpy(words)
        bigger = np.append(words[1:] > words[:-1], False).astype(np.int64)
        y[b, :n] = torch.LongTensor(bigger)
    return x, y, lengths


model = BiTagger(10, 8, 16, 2)
model.embed.weight.data[3] = torch.zeros(8)
print(model)
optimizer = torch.optim.Adam(filter(lambda p: p.requires_grad, model.parameters()), lr=0.02, weight_decay=1e-5)
for step in range(150):
    x, y, lengths = batch(16)
    scores, h, out_lengths, packed = model(Variable(x), lengths)
    loss = F.cross_entropy(scores, Variable(y.view(-1)), ignore_index=-1)
    optimizer.zero_grad()
    loss.backward(retain_graph=True)
    optimizer.step()
    if step % 50 == 0:
        print(step, loss.data[0])

model.eval()
x, y, lengths = batch(40)
for given in (lengths, np.array(lengths), torch.LongTensor(lengths)):
    scores, h, out_lengths, packed = model(Variable(x, volatile=True), given)
print(out_lengths == lengths, type(out_lengths[0]), type(packed.batch_sizes), packed.batch_sizes[0], h.size())
y = y.view(-1)
mask = y >= 0
_, best = scores.data.max(1)
right = torch.masked_select(best, mask) == torch.masked_select(y, mask)
print('right %.3f' % (right.sum() / right.numel()))
wrong = (best != y) * mask
print('wrong', wrong.sum(), len(mask.nonzero()[:, 0]) - right.sum())
print('padding stays', model.embed.weight.data[PAD].abs().sum(), model.embed.weight.grad.data[PAD].sum())
