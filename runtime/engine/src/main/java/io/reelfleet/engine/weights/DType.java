package io.reelfleet.engine.weights;

import org.bytedeco.pytorch.global.torch.ScalarType;

/** Element types that a weight file may hold here. */
public enum DType {
    F64(8, ScalarType.Double),
    F32(4, ScalarType.Float),
    F16(2, ScalarType.Half),
    BF16(2, ScalarType.BFloat16),
    I64(8, ScalarType.Long),
    I32(4, ScalarType.Int),
    I16(2, ScalarType.Short),
    I8(1, ScalarType.Char),
    U8(1, ScalarType.Byte),
    BOOL(1, ScalarType.Bool);

    private final int bytes;
    private final ScalarType type;

    DType(int bytes, ScalarType type) {
        this.bytes = bytes;
        this.type = type;
    }

    /** Bytes of one element. */
    public int bytes() {
        return bytes;
    }

    /** LibTorch's name for it. */
    public ScalarType type() {
        return type;
    }

    /** True for the types that weights may have. */
    public boolean isFloat() {
        return this == F32 || this == F16 || this == BF16;
    }

    static DType named(String name) {
        for (DType type : values()) {
            if (type.name().equals(name)) {
                return type;
            }
        }
        return null;
    }
}
