# Word classes by an LSTM that reads a sentence of a toy language, word after word.
import torch
import torch.autograd as autograd
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

torch.manual_seed(1)


def prepare_sequence(seq, to_ix):
    return autograd.Variable(torch.LongTensor([to_ix[s] for s in seq]))


lessons = [("a cat chased the mouse".split(), "art noun verb art noun".split()),
           ("the mouse saw a cat".split(), "art noun verb art noun".split()),
           ("birds sing".split(), "noun verb".split())]
words = {}
for sentence, classes in lessons:
    for w in sentence:
        words.setdefault(w, len(words))
kinds = {"art": 0, "noun": 1, "verb": 2}
print(words)

# an LSTM by single steps, and all at once, gives the same
lstm = nn.LSTM(3, 4)
xs = [autograd.Variable(torch.randn((1, 3))) for _ in range(5)]
hidden = (autograd.Variable(torch.zeros(1, 1, 4)), autograd.Variable(torch.zeros((1, 1, 4))))
for x in xs:
    out, hidden = lstm(x.view(1, 1, -1), hidden)
outs, (h, c) = lstm(torch.cat(xs).view(len(xs), 1, -1))
print(outs.size(), h.size(), (out[0] - outs[-1]).abs().max().data[0] < 1e-6)


class Tagger(nn.Module):
    def __init__(self, size, hidden_dim):
        super(Tagger, self).__init__()
        self.hidden_dim = hidden_dim
        self.embed = nn.Embedding(len(words), size)
        self.lstm = nn.LSTM(size, hidden_dim)
        self.score = nn.Linear(hidden_dim, len(kinds))
        self.hidden = self.init_hidden()

    def init_hidden(self):
        zeros = lambda: autograd.Variable(torch.zeros(1, 1, self.hidden_dim))
        return zeros(), zeros()

    def forward(self, sentence):
        vectors = self.embed(sentence)
        states, self.hidden = self.lstm(vectors.view(len(sentence), 1, -1), self.hidden)
        return F.log_softmax(self.score(states.view(len(sentence), -1)))


tagger = Tagger(6, 8)
loss_function = nn.NLLLoss()
optimizer = optim.SGD(tagger.parameters(), lr=0.1)
first = prepare_sequence(lessons[0][0], words)
print(tagger(first))
for epoch in range(120):
    for sentence, classes in lessons:
        tagger.zero_grad()
        tagger.hidden = tagger.init_hidden()
        loss = loss_function(tagger(prepare_sequence(sentence, words)), prepare_sequence(classes, kinds))
        loss.backward()
        optimizer.step()
tagger.hidden = tagger.init_hidden()
scores = tagger(first)
print(scores)
names = {k: name for name, k in kinds.items()}
_, places = torch.max(scores, 1)
print(' '.join(names[k] for k in places.data))
print([names[row.index(max(row))] for row in scores.data.tolist()])
