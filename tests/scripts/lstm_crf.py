# Segments of a stream of weather words, with transitions between labels learned beside the network's scores.
import torch
from torch import autograd, nn, optim
from torch.autograd import Variable

torch.manual_seed(1)
LABELS = ['dry', 'wet', 'icy']
BEGIN, END = len(LABELS), len(LABELS) + 1
K = len(LABELS) + 2
diary = [('sun sun rain rain rain frost', 'dry dry wet wet wet icy'), ('rain sun sun frost frost', 'wet dry dry icy icy')]
words = sorted(set(' '.join(text for text, _ in diary).split()))
number_of = {word: k for k, word in enumerate(words)}


def number(var):
    return var.view(-1).data.tolist()[0]


def best(row):
    _, place = torch.max(row, 1)
    return number(place)


def soft_maximum(row):  # of size 1 x K
    top = row[0, best(row)]
    spread = top.view(1, -1).expand(1, row.size()[1])
    return top + torch.log(torch.sum(torch.exp(row - spread)))


class Diary(nn.Module):
    def __init__(self, width):
        super(Diary, self).__init__()
        self.width = width
        self.look_up = nn.Embedding(len(words), 5)
        self.read = nn.LSTM(5, width // 2, num_layers=1, bidirectional=True)
        self.judge = nn.Linear(width, K)
        self.step = nn.Parameter(torch.randn(K, K))  # step[to, from]
        self.step.data[BEGIN, :] = -10000
        self.step.data[:, END] = -10000

    def scores(self, text):
        start = (autograd.Variable(torch.randn(2, 1, self.width // 2)), autograd.Variable(torch.randn(2, 1, self.width // 2)))
        read, self.state = self.read(self.look_up(text).view(len(text), 1, -1), start)
        return self.judge(read.view(len(text), self.width))

    def begin(self):
        row = torch.Tensor(1, K).fill_(-10000.)
        row[0][BEGIN] = 0.
        return Variable(row)

    def all_paths(self, scores):
        row = self.begin()
        for score in scores:
            into = [soft_maximum(row + self.step[k].view(1, -1) + score[k].view(1, -1).expand(1, K)) for k in range(K)]
            row = torch.cat(into).view(1, -1)
        return soft_maximum(row + self.step[END])

    def one_path(self, scores, labels):
        total = Variable(torch.Tensor([0]))
        path = torch.cat([torch.LongTensor([BEGIN]), labels])
        for i, score in enumerate(scores):
            total = total + self.step[path[i + 1], path[i]] + score[path[i + 1]]
        return total + self.step[END, path[-1]]

    def forward(self, text):
        row, came_from = self.begin(), []
        for score in self.scores(text):
            ways = [row + self.step[k] for k in range(K)]
            came_from.append([best(way) for way in ways])
            row = (torch.cat([way[0][k] for way, k in zip(ways, came_from[-1])]) + score).view(1, -1)
        last = best(row + self.step[END])
        labels = [last]
        for back in came_from[:0:-1]:
            last = back[last]
            labels.insert(0, last)
        return row[0][labels[-1]], labels


def as_variable(text):
    return Variable(torch.LongTensor([number_of[word] for word in text.split()]))


model = Diary(6)
optimizer = optim.SGD(model.parameters(), lr=0.05, weight_decay=1e-4)
score, labels = model(as_variable(diary[0][0]))
print(type(score.data).__name__, len(labels))
losses = []
for epoch in range(40):
    for text, states in diary:
        model.zero_grad()
        scores = model.scores(as_variable(text))
        target = torch.LongTensor([LABELS.index(s) for s in states.split()])
        loss = model.all_paths(scores) - model.one_path(scores, target)
        loss.backward()
        optimizer.step()
        losses.append(loss.data[0])
print('from', losses[0], 'to', losses[-1])
for text, states in diary:
    print(' '.join(LABELS[k] for k in model(as_variable(text))[1]))
print((Variable(torch.ones(1)),))
