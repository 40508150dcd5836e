import numpy as np
import pytest
import torch

from bitket.errors import InvalidInput
from bitket.learning import Training

X = torch.linspace(-1, 1, 48, dtype=torch.float64).reshape(24, 2)
Y = (X[:, :1] * 2 - X[:, 1:] + 0.5) ** 2


def network(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return torch.nn.Sequential(
            torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Dropout(0.1), torch.nn.Linear(8, 1)
        ).double()


def generator(seed=1):
    return torch.Generator().manual_seed(seed)


def weights(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])


@pytest.mark.parametrize(
    "training",
    [
        Training(12, batch_size=7, checkpoint_every=1, decay="cosine"),
        Training(12, checkpoint_every=5, optimiser="sgd", momentum=0.9, decay="cosine"),
        Training(12, batch_size=5, checkpoint_every=3, optimiser="adamw", largest_gradient=0.5),
    ],
)
@pytest.mark.parametrize("killed", [1, 6, 11])
def test_a_killed_training_ends_with_the_same_weights(training, killed, tmp_path):
    loss = torch.nn.functional.mse_loss
    whole = network()
    result = training.fit(whole, loss, X, Y, generator=generator())

    class Killed(Exception):
        pass

    def kill(epochs, value):
        if epochs == killed:
            raise Killed

    path = tmp_path / "checkpoint"
    with pytest.raises(Killed):
        training.fit(network(), loss, X, Y, generator=generator(), checkpoint=path, callback=kill)
    stored = path.exists()  # a training that was killed before its first checkpoint begins anew
    resumed = network(5 if stored else 0)
    rest = training.fit(resumed, loss, X, Y, generator=generator(9 if stored else 1), checkpoint=path)
    assert torch.equal(weights(whole), weights(resumed))
    assert rest.history == result.history
    again = training.fit(network(3), loss, X, Y, generator=generator(), checkpoint=path)
    assert again.epochs == 12
    assert again.stop_reason == "all epochs done"


def test_full_batch_descent_equals_the_closed_form():
    """One linear layer under squared loss: w <- w - eta 2/N Xt (X w - y), and with cosine decay eta falls to zero."""
    module = torch.nn.Linear(2, 1, bias=False).double()
    w = module.weight.detach().numpy().copy().reshape(2)
    Training(5, optimiser="sgd", learning_rate=0.1, decay="cosine").fit(module, torch.nn.functional.mse_loss, X, Y)
    x, y = X.numpy(), Y.numpy()[:, 0]
    for t in range(5):
        w = w - 0.1 * (1 + np.cos(np.pi * t / 5)) / 2 * 2 / len(x) * x.T @ (x @ w - y)
    assert np.allclose(module.weight.detach().numpy().reshape(2), w, atol=1e-13)


def test_every_sample_is_used_once_an_epoch():
    seen = []

    class Spy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x):
            seen.append(x[:, 0].tolist())
            return x * self.w

    data = torch.arange(10.0).reshape(10, 1)
    Training(2, batch_size=4).fit(Spy(), torch.nn.functional.mse_loss, data, data, generator=generator())
    epochs = [[x for batch in half for x in batch] for half in (seen[:3], seen[3:])]
    assert [len(s) for s in seen] == [4, 4, 2, 4, 4, 2]
    assert all(sorted(e) == list(range(10)) for e in epochs)
    assert epochs[0] != epochs[1]


def test_the_surrounding_random_numbers_are_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    Training(2).fit(network(), torch.nn.functional.mse_loss, X, Y)
    assert torch.equal(torch.rand(2), expected)


def test_a_callback_stops():
    result = Training(50).fit(network(), torch.nn.functional.mse_loss, X, Y, callback=lambda e, _: e == 3)
    assert (result.epochs, result.stop_reason) == (3, "stopped by the callback")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Training(0), "must be positive"),
        (lambda: Training(learning_rate=float("inf")), "positive and finite"),
        (lambda: Training(decay="linear"), "'constant' and 'cosine' are known"),
        (lambda: Training().fit(network(), torch.nn.functional.mse_loss, X, Y[:3]), "24 inputs and 3 targets"),
        (lambda: Training(batch_size=3).fit(network(), torch.nn.functional.mse_loss, X, Y), "a generator is needed"),
        (lambda: Training().fit(network(), lambda a, b: (a * np.inf).mean(), X, Y), "in epoch 1; it must be finite"),
        (lambda: Training().fit(torch.nn.Tanh(), torch.nn.functional.mse_loss, X, Y), "no trainable parameter"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()


def test_a_checkpoint_of_another_module_is_refused(tmp_path):
    path = tmp_path / "c"
    Training(1).fit(network(), torch.nn.functional.mse_loss, X, Y, checkpoint=path)
    with pytest.raises(InvalidInput, match="not a checkpoint of this module"):
        Training(2).fit(torch.nn.Linear(2, 1).double(), torch.nn.functional.mse_loss, X, Y, checkpoint=path)


def test_the_best_weights_are_kept_and_patience_ends_it(tmp_path):
    """Few noisy samples and a large network: the validation loss falls, then rises."""
    rng = torch.Generator().manual_seed(0)
    x = torch.linspace(-1, 1, 12, dtype=torch.float64)[:, None]
    y = x + 0.5 * torch.randn(12, 1, generator=rng, dtype=torch.float64)
    held = torch.linspace(-0.97, 0.97, 40, dtype=torch.float64)[:, None]
    loss = torch.nn.functional.mse_loss
    seen = []

    def module():
        with torch.random.fork_rng():
            torch.manual_seed(3)
            layers = torch.nn.Linear(1, 64), torch.nn.Tanh(), torch.nn.Dropout(0.2), torch.nn.Linear(64, 1)
            return torch.nn.Sequential(*layers).double()

    training = Training(400, batch_size=4, learning_rate=2e-2, patience=15, checkpoint_every=7)
    net = module()
    result = training.fit(net, loss, x, y, validation=(held, held), generator=generator())
    assert result.stop_reason == "no lower validation loss in 15 epochs"
    assert result.epochs == result.best_epoch + 15 == len(result.history) == len(result.validation)
    assert min(result.validation) == result.validation[result.best_epoch - 1]
    net.eval()
    assert float(loss(net(held), held).detach()) == pytest.approx(min(result.validation), abs=1e-12)
    # Killed and resumed, also after its end: the same weights.
    path = tmp_path / "checkpoint"
    training.fit(
        module(),
        loss,
        x,
        y,
        validation=(held, held),
        generator=generator(),
        checkpoint=path,
        callback=lambda e, _: e == 9,
    )
    for _ in range(2):
        again = module()
        rest = training.fit(again, loss, x, y, validation=(held, held), generator=generator(5), checkpoint=path)
        assert torch.equal(weights(again), weights(net))
        assert (rest.validation, rest.stop_reason) == (result.validation, result.stop_reason)
        seen.append(rest.epochs)
    assert seen == [result.epochs] * 2
    # Without patience all epochs run, and the best weights are kept all the same.
    last = Training(result.epochs + 30, batch_size=4, learning_rate=2e-2).fit(
        module(), loss, x, y, validation=(held, held), generator=generator()
    )
    assert last.epochs == result.epochs + 30
    assert last.validation[: result.epochs] == result.validation


def test_validation_that_does_not_fit():
    loss = torch.nn.functional.mse_loss
    with pytest.raises(InvalidInput, match="validation data are needed"):
        Training(2, patience=1).fit(network(), loss, X, Y)
    with pytest.raises(InvalidInput, match="24 validation inputs and 3 targets"):
        Training(2).fit(network(), loss, X, Y, validation=(X, Y[:3]))
    with pytest.raises(InvalidInput, match="validation loss nan in epoch 1"):
        Training(2).fit(network(), loss, X, Y, validation=(X * torch.nan, Y))
    with pytest.raises(InvalidInput, match="patience must be positive"):
        Training(2, patience=0)
