# To which of three invented languages does a name belong: a recurrent network by hand, letter after letter.
import random
import string
import time

import torch
import torch.nn as nn
from torch.autograd import Variable

random.seed(0)
torch.manual_seed(0)

LETTERS = string.ascii_lowercase + "'"
LANGUAGES = {'Vowelish': ('aeiou', 'aeiou'), 'Consonantish': ('bdfgklm', 'bdfgklm'), 'Mixed': ('bdfgklm', 'aeiou')}
names = sorted(LANGUAGES)


def invent(language):
    return ''.join(random.choice(LANGUAGES[language][k % 2]) for k in range(random.randint(4, 7)))


def one_hot(name):
    tensor = torch.zeros(len(name), 1, len(LETTERS))
    for i, letter in enumerate(name):
        tensor[i][0][LETTERS.find(letter)] = 1
    return tensor


print(one_hot('abba').size(), one_hot('ab')[1][0][1])


class RNN(nn.Module):
    def __init__(self, n_in, n_hidden, n_out):
        super(RNN, self).__init__()
        self.n_hidden = n_hidden
        self.to_hidden = nn.Linear(n_in + n_hidden, n_hidden)
        self.to_out = nn.Linear(n_in + n_hidden, n_out)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, letter, hidden):
        both = torch.cat((letter, hidden), 1)
        return self.softmax(self.to_out(both)), self.to_hidden(both)

    def initHidden(self):
        return Variable(torch.zeros(1, self.n_hidden))


rnn = RNN(len(LETTERS), 32, len(names))
criterion = nn.NLLLoss()


def read(name):
    hidden = rnn.initHidden()
    line = Variable(one_hot(name))
    for i in range(line.size()[0]):
        output, hidden = rnn(line[i], hidden)
    return output


def best(output):
    top_n, top_i = output.data.topk(1)
    return names[top_i[0][0]], top_i[0][0]


def train(language, name, rate=0.02):
    rnn.zero_grad()
    output = read(name)
    loss = criterion(output, Variable(torch.LongTensor([names.index(language)])))
    loss.backward()
    for p in rnn.parameters():
        p.data.add_(-rate, p.grad.data)
    return output, loss.data[0]


start, total, means = time.time(), 0, []
for step in range(1, 701):
    language = random.choice(names)
    name = invent(language)
    output, loss = train(language, name)
    total += loss
    if step % 100 == 0:
        guess, _ = best(output)
        print('%d (%ds) %.4f %s / %s %s' % (step, time.time() - start, loss, name, guess, 'right' if guess == language else 'wrong'))
        means.append(total / 100)
        total = 0

table = torch.zeros(len(names), len(names))
for k in range(150):
    language = random.choice(names)
    table[names.index(language)][best(read(invent(language)))[1]] += 1
print('accuracy %.3f' % (sum(table[k][k] for k in range(len(names))) / table.sum()))
for k in range(len(names)):
    table[k] = table[k] / table[k].sum()
print(table)
topv, topi = output.data.topk(2, 1, True)
for k in range(2):
    print('(%.2f) %s' % (topv[0][k], names[topi[0][k]]))
print('losses %.3f to %.3f' % (means[0], means[-1]))
