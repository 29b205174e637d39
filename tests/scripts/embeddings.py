# Vectors of words: from the two words before, from the words around; and a pair of encoders that share weights.
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.autograd import Variable

torch.manual_seed(1)
text = """When the wind is in the east the fish do bite the least
when the wind is in the west the fish do bite the best""".split()
vocab = sorted(set(text))
word_to_ix = {word: i for i, word in enumerate(vocab)}


def indices(words):
    return Variable(torch.LongTensor([word_to_ix[w] for w in words]))


class FromTwo(nn.Module):
    def __init__(self, size):
        super(FromTwo, self).__init__()
        self.embeddings = nn.Embedding(len(vocab), size)
        self.hidden = nn.Linear(2 * size, 64)
        self.out = nn.Linear(64, len(vocab))

    def forward(self, words):
        vectors = self.embeddings(words).view((1, -1))
        return F.log_softmax(self.out(F.relu(self.hidden(vectors))))


losses = []
criterion = nn.NLLLoss()
model = FromTwo(10)
optimizer = optim.SGD(model.parameters(), lr=0.1)
for epoch in range(30):
    total = torch.Tensor([0])
    for i in range(len(text) - 2):
        model.zero_grad()
        loss = criterion(model(indices(text[i:i + 2])), indices([text[i + 2]]))
        loss.backward()
        optimizer.step()
        total += loss.data
    losses.append(total)
print(losses[0], losses[-1])


class FromAround(nn.Module):
    def __init__(self, size):
        super(FromAround, self).__init__()
        self.embeddings = nn.Embedding(len(vocab), size)
        self.out = nn.Linear(size, len(vocab))

    def forward(self, words):
        return F.log_softmax(self.out(self.embeddings(words).sum(0).view(1, -1)), dim=1)


cbow = FromAround(10)
optimizer = optim.Adadelta(cbow.parameters())
for epoch in range(40):
    total = 0
    for i in range(2, len(text) - 2):
        optimizer.zero_grad()
        loss = criterion(cbow(indices(text[i - 2:i] + text[i + 1:i + 3])), indices([text[i]]))
        total += loss.data[0]
        loss.backward()
        optimizer.step()
print('cbow %.3f' % (total / (len(text) - 4)))

counts = torch.zeros(len(vocab))
for word in text:
    counts[word_to_ix[word]] += 1
print('the', counts[word_to_ix['the']], counts.view(1, -1).size())


class Apart(torch.nn.Module):
    """Small for near vectors of one kind, and for vectors of two kinds that are further apart than the margin."""

    def __init__(self, margin):
        super(Apart, self).__init__()
        self.margin = margin

    def forward(self, a, b, differ):
        far = F.pairwise_distance(a, b)
        near = torch.clamp(self.margin - far, min=0.0)
        return torch.mean((1 - differ) * torch.pow(far, 2) + differ * torch.pow(near, 2))


encoder = nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 4))
apart = Apart(2.0)
optimizer = optim.Adam(encoder.parameters(), lr=0.01)
kinds = torch.randn(2, 6)
for step in range(80):
    kind_a, kind_b = torch.LongTensor(16).random_(2), torch.LongTensor(16).random_(2)
    a = encoder(Variable(kinds.index_select(0, kind_a) + 0.1 * torch.randn(16, 6)))
    b = encoder(Variable(kinds[kind_b] + 0.1 * torch.randn(16, 6)))
    loss = apart(a, b, Variable((kind_a != kind_b).float().view(-1, 1)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print('siamese %.4f' % loss.data[0])
similar = F.cosine_similarity(a, b)
same = kind_a == kind_b
print('apart', similar.data[same].mean() > similar.data[1 - same].mean(), similar.size())
