package io.reelfleet.engine.model;

import io.reelfleet.engine.ModelException;
import io.reelfleet.engine.tensor.TensorOwner;
import io.reelfleet.engine.tensor.Tensors;
import io.reelfleet.engine.weights.Weights;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/** A matrix and its bias. */
final class Linear {
    private final Tensor weight;
    private final TensorOptional bias;

    private Linear(Tensor weight, TensorOptional bias) {
        this.weight = weight;
        this.bias = bias;
    }

    static Linear of(TensorOwner owner, Weights weights, String name, long in, long out)
            throws ModelException {
        return joined(owner, weights, in, out, name);
    }

    /**
     * Several matrices with the same input as one: {@code [in] -> [out of the first, out of the
     * second, ...]}.
     */
    static Linear joined(TensorOwner owner, Weights weights, long in, long out, String... names)
            throws ModelException {
        return joined(owner, weights, false, in, out, names);
    }

    /** One that computes in float32 whatever the precision. */
    static Linear inFloats(TensorOwner owner, Weights weights, String name, long in, long out)
            throws ModelException {
        return joined(owner, weights, true, in, out, name);
    }

    private static Linear joined(
            TensorOwner owner, Weights weights, boolean floats, long in, long out, String... names)
            throws ModelException {
        try (PointerScope _ = new PointerScope()) {
            TensorVector matrices = new TensorVector();
            TensorVector biases = new TensorVector();
            for (String name : names) {
                String weight = name + ".weight";
                String bias = name + ".bias";
                matrices.push_back(
                        floats
                                ? weights.takeFloats(weight, out, in)
                                : weights.take(weight, out, in));
                biases.push_back(floats ? weights.takeFloats(bias, out) : weights.take(bias, out));
            }
            return of(owner, torch.cat(matrices, 0), torch.cat(biases, 0));
        }
    }

    /** From tensors of the current scope; {@code bias} may be null. */
    static Linear of(TensorOwner owner, Tensor weight, Tensor bias) {
        owner.ownCounted(weight);
        return new Linear(
                weight,
                bias == null
                        ? Tensors.NONE
                        : owner.own(new TensorOptional(owner.ownCounted(bias))));
    }

    /** {@code x [tokens, in]} to {@code [tokens, out]}. */
    Tensor apply(Tensor x) {
        return torch.linear(x, weight, bias);
    }
}
