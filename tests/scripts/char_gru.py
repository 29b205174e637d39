# A GRU learns a sentence by heart and says it again, one letter at a time.
import random
import string

import torch
import torch.nn as nn
from torch.autograd import Variable

torch.manual_seed(5)
random.seed(5)
alphabet = string.printable
text = 'pack my box with five dozen liquor jugs. ' * 4
LENGTH = 30


class Speaker(nn.Module):
    def __init__(self, n_characters, n_hidden, n_layers=1):
        super(Speaker, self).__init__()
        self.n_hidden, self.n_layers = n_hidden, n_layers
        self.embedding = nn.Embedding(n_characters, n_hidden)
        self.gru = nn.GRU(n_hidden, n_hidden, n_layers)
        self.out = nn.Linear(n_hidden, n_characters)

    def forward(self, letter, hidden):
        vector = self.embedding(letter.view(1, -1))
        output, hidden = self.gru(vector.view(1, 1, -1), hidden)
        return self.out(output.view(1, -1)), hidden

    def init_hidden(self):
        return Variable(torch.zeros(self.n_layers, 1, self.n_hidden))


def as_numbers(letters):
    numbers = torch.zeros(len(letters)).long()
    for k in range(len(letters)):
        numbers[k] = alphabet.index(letters[k])
    return Variable(numbers)


print(as_numbers('abcDEF'))
model = Speaker(len(alphabet), 48)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
criterion = nn.CrossEntropyLoss()


def learn():
    at = random.randint(0, len(text) - LENGTH - 1)
    x, y = as_numbers(text[at:at + LENGTH]), as_numbers(text[at + 1:at + LENGTH + 1])
    hidden = model.init_hidden()
    model.zero_grad()
    loss = 0
    for k in range(LENGTH):
        output, hidden = model(x[k], hidden)
        loss += criterion(output, y[k])
    loss.backward()
    optimizer.step()
    return loss.data[0] / LENGTH


def say(beginning, count, temperature):
    hidden = model.init_hidden()
    given = as_numbers(beginning)
    for k in range(len(beginning) - 1):
        _, hidden = model(given[k], hidden)
    letter, said = given[-1], beginning
    for k in range(count):
        output, hidden = model(letter, hidden)
        weights = output.data.view(-1).div(temperature).exp()
        drawn = torch.multinomial(weights, 1)[0]
        said += alphabet[drawn]
        letter = as_numbers(alphabet[drawn])
    return said


for epoch in range(1, 101):
    loss = learn()
    if epoch % 25 == 0:
        print('[(%d %d%%) %.4f]' % (epoch, epoch / 100 * 100, loss))
print('said:', say('pa', 60, 0.2))
