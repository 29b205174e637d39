# Own differentiable functions, in the style with static methods and in the older one; hooks; gradients of gradients.
import torch
from torch.autograd import Function, Variable, gradcheck
from torch.nn.parameter import Parameter

torch.manual_seed(0)


class Clipped(torch.autograd.Function):
    """The older style, an object for each call: x between 0 and top."""

    def __init__(self, top):
        super(Clipped, self).__init__()
        self.top = top

    def forward(self, x):
        self.save_for_backward(x)
        return x.clamp(min=0, max=self.top)

    def backward(self, grad_output):
        x, = self.saved_tensors
        grad = grad_output.clone()
        grad[x < 0] = 0
        grad[x > self.top] = 0
        return grad


class Scale(Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x * factor

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.factor, None


class Distance(Function):
    """Squared distances of the rows of x to those of y, weighted by column if weights are given."""

    @staticmethod
    def forward(ctx, x, y, weight=None):
        ctx.save_for_backward(x, y, weight)
        square = (x - y) * (x - y)
        if weight is not None:
            square *= weight.unsqueeze(0).expand_as(square)
        return square.sum(1)

    @staticmethod
    def backward(ctx, grad_output):
        x, y, weight = ctx.saved_variables
        grad_weight = None
        each = 2 * (x - y) * grad_output.unsqueeze(1).expand_as(x)
        if weight is not None:
            if ctx.needs_input_grad[2]:
                grad_weight = ((x - y) ** 2 * grad_output.unsqueeze(1)).sum(0)
            each = each * weight
        return each, -each, grad_weight


x = Variable(torch.randn(32, 20), requires_grad=False)
y = Variable(torch.randn(32, 3), requires_grad=False)
w1 = Variable(torch.randn(20, 15), requires_grad=True)
w2 = Variable(torch.randn(15, 3), requires_grad=True)
for t in range(200):
    clip = Clipped(50)
    loss = (clip(x.mm(w1)).mm(w2) - y).pow(2).sum()
    if t % 100 == 0:
        print(t, loss.data[0])
    loss.backward()
    for w in (w1, w2):
        w.data -= 1e-4 * w.grad.data
        w.grad.data.zero_()
print('last', loss.data[0])

double = lambda *size: Variable(torch.randn(*size).double(), requires_grad=True)
print('gradcheck', gradcheck(Distance.apply, (double(4, 5), double(4, 5), double(5)), eps=1e-6, atol=1e-4))
print('gradcheck', gradcheck(lambda a, b: Distance.apply(a, b), (double(4, 5), double(4, 5))))

v = Variable(torch.Tensor([1, 2, 3]), requires_grad=True)
seen = []
h = v.register_hook(lambda grad: seen.append(grad.data.tolist()))
out = Scale.apply(v, 3)
print('grad_fn', out.grad_fn is not None, v.grad_fn is None, out.requires_grad)
out.backward(torch.FloatTensor([1, 10, 100]), retain_variables=True)
out.backward(gradient=torch.ones(3))
h.remove()
print(v.grad, seen)

layer = torch.nn.Linear(2, 1)
calls = []
layer.register_forward_hook(lambda module, input, output: calls.append(('forward', tuple(output.size()))))
layer.register_backward_hook(lambda module, grad_input, grad_output: calls.append(('backward', tuple(grad_output[0].size()))))
layer(Variable(torch.ones(3, 2))).sum().backward()
print(calls)

z = Variable(torch.ones(2, 2) * 2, requires_grad=True)
first, = torch.autograd.grad((z ** 3).sum(), z, create_graph=True)
second, = torch.autograd.grad(first.sum(), z)
print('second', second.data[0, 0], first.data[0][1])
p = Parameter(torch.zeros(2))
torch.autograd.backward([(p + 1).sum()], [torch.ones(1)])
print(p.grad.data.tolist())
