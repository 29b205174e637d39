# The first lesson: tensors, NumPy and gradients, printed.
import numpy as np
import torch
from torch.autograd import Variable

x = torch.Tensor(5, 3)
print(x.size(), x.dim(), x.numel())
torch.manual_seed(0)
print(torch.rand(2, 3))
y = torch.ones(2, 3)
result = torch.Tensor(2, 3)
torch.add(y, y, out=result)
print(result)
y.add_(result)
print(y[:, 1], y[0][1], y[1, 2])
a = torch.ones(5)
b = a.numpy()
a.add_(1)
print(a, b)
c = np.ones(5)
d = torch.from_numpy(c)
np.add(c, 1, out=c)
print(d)
print(torch.LongTensor([[1, -2], [300, 4]]), torch.ByteTensor([1, 0]))
print(torch.arange(0, 3, step=1), torch.linspace(0, 1, steps=3))
print(torch.FloatTensor([1e-8, 1000]), torch.FloatTensor([[0.5, 2], [float('inf'), 1]]))
x = Variable(torch.ones(2, 2), requires_grad=True)
y = 4 * x - 1
z = y * y * y
out = z.mean()
print(x, y.grad_fn is not None, z, out)
out.backward()
print(x.grad)
x = Variable(torch.Tensor([0.3, -1.2, 0.7]), requires_grad=True)
y = x * 2
while y.data.norm() < 1000:
    y = y * 2
y.backward(torch.FloatTensor([0.1, 1.0, 0.0001]))
print(x.grad, y.data.norm() < 2000)
m = torch.Tensor([[1, 2], [3, 4]])
print(m @ m, m.mm(m.t()), m * m, torch.mm(m, m)[0][0], m.sum(), m.mean(0), m.max(1))
print('type', m.type(), m.long().type(), type(m), m.view(-1, 4).size(), m[None].size())
print(torch.zeros(2, 3, 2))
if torch.cuda.is_available():
    print('gpu')
print('numpy', torch.is_tensor(x), torch.is_tensor(x.data), x.data.numpy().dtype)
print(torch.cat([m, m], dim=1), torch.stack([m[0], m[1]], dim=1).tolist())
