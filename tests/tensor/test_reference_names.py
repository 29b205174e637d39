"""Every name of the era's Tensors, Variables and module functions, written out: it exists."""

import pytest

import minigrad as torch
from minigrad.autograd import Variable

TYPES = [f"{k}Tensor" for k in ("Float", "Double", "Half", "Long", "Int", "Short", "Char", "Byte")]
STORAGES = [f"{k}Storage" for k in ("Float", "Double", "Half", "Long", "Int", "Short", "Char", "Byte")]

# ---------------------------------------------------------------- of tensors

INFORMATION = """
    size shape stride dim ndimension numel nelement element_size storage_offset data_ptr is_contiguous is_same_size
    is_pinned is_shared get_device is_signed is_cuda
""".split()
CONVERSION = """
    type type_as float double half long int short char byte cpu cuda clone contiguous
""".split()
TENSORS_ONLY = """
    storage is_set_to new tolist numpy set_ apply_ map_ map2_ pin_memory share_memory_ storage_type is_sparse __array__
    __array_wrap__ __dlpack__ __dlpack_device__
""".split()
MEMORY = "resize_ resize_as_ copy_ fill_ zero_".split()
FLOATING_WITH_TWIN = """
    acos asin atan ceil cos cosh erf erfinv exp floor frac lgamma log log1p reciprocal round rsqrt sigmoid sin sinh
    sqrt tan tanh trunc pow lerp renorm
""".split()
WITH_TWIN = """
    abs neg sign clamp add sub mul div fmod remainder addcmul addcdiv eq ne lt le gt ge addmm addmv addr addbmm baddbmm
    tril triu atan2
""".split()
REDUCTIONS = """
    sum prod mean var std norm max min median mode kthvalue sort topk cumsum cumprod dist trace all any histc equal
""".split()
VIEWS = """
    view view_as expand expand_as narrow select transpose t permute squeeze unsqueeze unfold
""".split()
VIEWS_IN_PLACE = "transpose_ t_ squeeze_ unsqueeze_".split()
SHAPES = "repeat split chunk diag nonzero".split()
PLACES = "index_select gather take masked_select".split()
PLACES_IN_PLACE = """
    index_add_ index_copy_ index_fill_ scatter_ scatter_add_ put_ masked_fill_ masked_scatter_
""".split()
LINEAR = """
    dot mm bmm mv ger matmul cross inverse gesv potrf qr eig symeig svd potrs potri trtrs gels
""".split()
DRAWS = """
    uniform_ normal_ random_ bernoulli_ exponential_ geometric_ cauchy_ log_normal_ bernoulli multinomial
""".split()
OPERATORS = """
    add radd sub rsub mul rmul truediv rtruediv mod pow rpow matmul neg abs invert and or xor lshift rshift iadd isub
    imul itruediv ipow eq ne lt le gt ge getitem setitem len iter contains bool int float hash repr reduce
""".split()
OPERATORS_OF_TENSORS = "imod iand ior ixor ilshift irshift copy".split()

TWINS = [f"{n}_" for n in FLOATING_WITH_TWIN + WITH_TWIN]
ELEMENTWISE = FLOATING_WITH_TWIN + WITH_TWIN
COMMON = [
    *INFORMATION,
    *CONVERSION,
    *MEMORY,
    *ELEMENTWISE,
    *TWINS,
    *REDUCTIONS,
    *VIEWS,
    *VIEWS_IN_PLACE,
    *SHAPES,
    *PLACES,
    *PLACES_IN_PLACE,
    *LINEAR,
    *DRAWS,
]

# ---------------------------------------------------------------- of Variables

VARIABLES_ONLY = """
    index_add index_copy index_fill scatter scatter_add masked_fill masked_scatter resize resize_as as_strided data
    grad _grad requires_grad volatile grad_fn is_leaf output_nr name _base _version _backward_hooks backward
    register_hook retain_grad detach detach_
""".split()
NOT_ON_VARIABLES = "tolist numpy storage set_ new apply_ map_".split()

# ---------------------------------------------------------------- of the module

FUNCTIONS = [
    *ELEMENTWISE,
    *REDUCTIONS,
    *LINEAR,
    *PLACES,
    *"transpose t squeeze unsqueeze split chunk diag nonzero".split(),
    *"bernoulli multinomial numel".split(),
]
MODULE = """
    zeros ones rand randn zeros_like ones_like eye arange range linspace logspace randperm from_numpy from_dlpack
    normal cat stack unbind is_tensor is_storage typename set_printoptions save load get_num_threads set_num_threads
    manual_seed initial_seed get_rng_state set_rng_state set_default_tensor_type Generator default_generator random
    Tensor Storage Size _tensor_classes _storage_classes autograd cuda nn optim utils
""".split()

# `all` and `any` are defined for masks only; some operations for floating types only.
ASKED_OF = {"all": torch.ByteTensor, "any": torch.ByteTensor}


def check(value, name):
    assert hasattr(value, name), f"{name} is missing"


def test_no_name_is_written_twice():
    for names in (COMMON + TENSORS_ONLY, COMMON + VARIABLES_ONLY, FUNCTIONS + MODULE, OPERATORS):
        assert sorted({n for n in names if names.count(n) > 1}) == []


@pytest.mark.parametrize("name", COMMON + TENSORS_ONLY)
def test_tensors(name):
    check(ASKED_OF.get(name, torch.FloatTensor)(1), name)


@pytest.mark.parametrize("name", COMMON + VARIABLES_ONLY)
def test_variables(name):
    check(Variable(torch.ones(1)), name)


@pytest.mark.parametrize("name", NOT_ON_VARIABLES)
def test_not_on_variables(name):
    assert not hasattr(Variable(torch.ones(1)), name)


@pytest.mark.parametrize(
    "name",
    [
        "index_add",
        "scatter",
        "masked_fill",
        "resize",
        "resize_as",
        "index_copy",
        "index_fill",
        "scatter_add",
        "masked_scatter",
        "item",
        "requires_grad_",
        "__floordiv__",
    ],
)
def test_not_on_tensors(name):
    assert not hasattr(torch.FloatTensor(1), name)


@pytest.mark.parametrize("name", OPERATORS + OPERATORS_OF_TENSORS)
def test_operators(name):
    assert hasattr(torch.LongTensor(1), f"__{name}__")
    assert hasattr(Variable(torch.ones(1)), f"__{name}__") == (name in OPERATORS)


@pytest.mark.parametrize("name", [*FUNCTIONS, *MODULE])
def test_module(name):
    check(torch, name)


@pytest.mark.parametrize("name", TYPES + STORAGES)
def test_classes(name):
    cls = getattr(torch, name)
    assert cls.__name__ == name
    assert cls in (torch._tensor_classes if name in TYPES else torch._storage_classes)


@pytest.mark.parametrize("name", ["no_grad", "device", "dtype", "float32", "is_grad_enabled", "BoolTensor"])
def test_names_that_came_later_are_not_there(name):
    assert not hasattr(torch, name)
