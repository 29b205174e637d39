# y = a + b x + c x^2 by gradient descent, the updates written out; then a network without autograd.
import torch
from torch.autograd import Variable

dtype = torch.FloatTensor
# dtype = torch.cuda.FloatTensor  # on a GPU
torch.manual_seed(3)

grid = torch.linspace(-1, 1, 50).type(dtype)
x = Variable(grid, requires_grad=False)
y = Variable(1 - 2 * grid + 3 * grid.pow(2), requires_grad=False)
a, b, c = [Variable(torch.randn(1).type(dtype), requires_grad=True) for _ in range(3)]

rate = 4e-3
for t in range(400):
    loss = (a + b * x + c * x.pow(2) - y).pow(2).sum()
    if t % 100 == 0:
        print(t, loss.data[0])
    loss.backward()
    a.data -= rate * a.grad.data
    b.data.sub_(rate * b.grad.data)
    c.data.add_(-rate, c.grad.data)
    for v in (a, b, c):
        v.grad.data.zero_()
print('loss %.6f' % loss.data[0])
print(a, b, c)

points, wanted = torch.randn(16, 10).type(dtype), torch.randn(16, 2).type(dtype)
into, out = torch.randn(10, 12).type(dtype), torch.randn(12, 2).type(dtype)
for t in range(500):
    sums = points.mm(into)
    hidden = sums.clamp(min=0)
    error = hidden.mm(out) - wanted
    loss = error.pow(2).sum()
    if t % 250 == 0:
        print(t, loss)
    grad_out = hidden.t().mm(2.0 * error)
    grad_sums = (2.0 * error).mm(out.t())
    grad_sums[sums < 0] = 0
    out -= 4e-4 * grad_out
    into -= 4e-4 * points.t().mm(grad_sums)
print('final', loss)
