# A variational autoencoder for pictures of eight pixels of which one half is lit.
import torch
import torch.utils.data
from torch import nn, optim
from torch.autograd import Variable
from torch.nn import functional as F

torch.manual_seed(1)
halves = torch.Tensor([[1] * 4 + [0] * 4, [0] * 4 + [1] * 4])
pictures = torch.utils.data.TensorDataset(halves.repeat(64, 1), torch.zeros(128))
loader = torch.utils.data.DataLoader(pictures, batch_size=32, shuffle=True)


class Autoencoder(nn.Module):
    def __init__(self, pixels, width, code):
        super(Autoencoder, self).__init__()
        self.pixels = pixels
        self.look = nn.Linear(pixels, width)
        self.mean, self.log_variance = nn.Linear(width, code), nn.Linear(width, code)
        self.draw = nn.Sequential(nn.Linear(code, width), nn.ReLU(), nn.Linear(width, pixels), nn.Sigmoid())

    def sample(self, mean, log_variance):
        if not self.training:
            return mean
        deviation = log_variance.mul(0.5).exp_()
        noise = Variable(deviation.data.new(deviation.size()).normal_())
        return noise.mul(deviation).add_(mean)

    def forward(self, x):
        seen = F.relu(self.look(x.view(-1, self.pixels)))
        mean, log_variance = self.mean(seen), self.log_variance(seen)
        return self.draw(self.sample(mean, log_variance)), mean, log_variance


model = Autoencoder(8, 16, 2)
optimizer = optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(1, 61):
    model.train()
    total = 0
    for x, _ in loader:
        x = Variable(x)
        optimizer.zero_grad()
        y, mean, log_variance = model(x)
        unlike = F.binary_cross_entropy(y, x, size_average=False)
        divergence = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
        loss = unlike + divergence
        loss.backward()
        total += loss.data[0]
        optimizer.step()
    if epoch in (1, 20, 40, 60):
        print('Epoch: {} average loss: {:.4f}'.format(epoch, total / len(loader.dataset)))

model.eval()
y, mean, log_variance = model(Variable(halves, volatile=True))
print(y)
print('rounded', y.data.round().tolist() == halves.tolist())
new = model.draw(Variable(torch.randn(64, 2))).cpu()
print('drawn', new.data.view(64, 8).size(), ((new.data > 0.9) + (new.data < 0.1)).float().mean() > 0.5)
