# Policy gradient: the log-probability of the move taken, times what came of it.
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.autograd import Variable

torch.manual_seed(5)
np.random.seed(5)


class Policy(nn.Module):
    def __init__(self):
        super(Policy, self).__init__()
        self.layers = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
        self.log_probs, self.gains = [], []

    def forward(self, x):
        return F.softmax(self.layers(x), dim=1)


policy = Policy()
optimizer = optim.RMSprop(policy.parameters(), lr=1e-2)


def move(seen):
    probs = policy(Variable(torch.from_numpy(seen).float().unsqueeze(0)))
    action = probs.multinomial()
    policy.log_probs.append(probs.gather(1, action).log())
    return action.data[0, 0]


def learn(discount):
    returns, later = [], 0
    for gain in policy.gains[::-1]:
        later = gain + discount * later
        returns.insert(0, later)
    returns = torch.Tensor(returns)
    returns = (returns - returns.mean()) / (returns.std() + np.finfo(np.float32).eps)
    losses = [-log_prob * value for log_prob, value in zip(policy.log_probs, returns)]
    optimizer.zero_grad()
    torch.cat(losses).sum().backward()
    optimizer.step()
    del policy.gains[:], policy.log_probs[:]


average = 1. / 3
for episode in range(100):
    for t in range(12):
        seen = np.random.randn(4)
        # the right move is the place of the largest of the first three numbers
        policy.gains.append(float(move(seen) == int(np.argmax(seen[:3]))))
    average = average * 0.95 + sum(policy.gains) / 12 * 0.05
    learn(discount=0.5)
    if episode % 25 == 0:
        print('Episode {}\tAverage: {:.2f}'.format(episode, average))
print('average %.3f' % average)
chances = policy(Variable(torch.eye(4)[:3], volatile=True))
moves = chances.data.max(1)[1].view(-1, 1)
print('greedy', moves.size(), chances.gather(1, Variable(moves)).volatile)
