package io.reelfleet.migration.transport;

import java.time.Duration;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.javacpp.chrono.Milliseconds;
import org.bytedeco.pytorch.Backend;
import org.bytedeco.pytorch.ProcessGroupGloo;
import org.bytedeco.pytorch.Store;
import org.bytedeco.pytorch.global.torch_gloo;
import org.bytedeco.pytorch.nccl.ProcessGroupNCCL;

/** The two implementations of c10d that move bytes; everything else here is the same for both. */
public enum C10dBackend {
    /** TCP between CPUs. */
    GLOO {
        @Override
        Backend group(Store store, int rank, String host, Duration timeout) {
            Loader.load(torch_gloo.class);
            // Left to the garbage collector, the device would keep its thread and its sockets
            // long after the group has been closed.
            try (PointerScope _ = new PointerScope()) {
                ProcessGroupGloo.Options options =
                        ProcessGroupGloo.Options.create(new Milliseconds(timeout.toMillis()));
                options.devices().push_back(ProcessGroupGloo.createDeviceForHostname(host));
                options.threads(2);
                return new ProcessGroupGloo(store, rank, 2, options).retainReference();
            }
        }
    },

    /**
     * Between GPUs. Needs {@code TORCH_NCCL_ASYNC_ERROR_HANDLING=0} in the environment: otherwise
     * NCCL's watchdog ends the process that survives a peer.
     */
    NCCL {
        @Override
        Backend group(Store store, int rank, String host, Duration timeout) {
            return new ProcessGroupNCCL(store, rank, 2);
        }
    };

    /** Blocks until both ranks are there. */
    abstract Backend group(Store store, int rank, String host, Duration timeout);
}
