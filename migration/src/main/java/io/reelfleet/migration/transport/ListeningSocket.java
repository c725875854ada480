package io.reelfleet.migration.transport;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.net.InetAddress;
import java.net.UnknownHostException;

/**
 * A socket of the C library that listens on one address and a free port. c10d's store listens on
 * every address of the machine unless it is handed such a socket.
 *
 * @param descriptor the file descriptor, which the store takes over
 * @param port the free port it found
 */
record ListeningSocket(int descriptor, int port) {
    private static final int AF_INET = 2;
    private static final int SOCK_STREAM = 1;
    private static final int SOCK_CLOEXEC = 0x80000;
    private static final int BACKLOG = 64;
    private static final int ADDRESS_BYTES = 16;

    /** Listens on an IPv4 address of this machine. */
    static ListeningSocket on(String host) throws TransportException {
        try (Arena arena = Arena.ofConfined()) {
            byte[] ip = InetAddress.getByName(host).getAddress();
            if (ip.length != 4) {
                throw new TransportException(
                        "reelfleet.transfer.host is %s: write an IPv4 address".formatted(host));
            }
            MemorySegment address = arena.allocate(ADDRESS_BYTES, 8);
            address.set(ValueLayout.JAVA_SHORT, 0, (short) AF_INET);
            MemorySegment.copy(ip, 0, address, ValueLayout.JAVA_BYTE, 4, 4);
            MemorySegment length = arena.allocate(ValueLayout.JAVA_INT);
            length.set(ValueLayout.JAVA_INT, 0, ADDRESS_BYTES);
            int descriptor =
                    (int) function("socket", 3).invoke(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            require(descriptor >= 0, "no socket can be opened");
            boolean done = false;
            try {
                require(
                        (int)
                                        pointers("bind", ValueLayout.JAVA_INT)
                                                .invoke(descriptor, address, ADDRESS_BYTES)
                                == 0,
                        "address %s cannot be listened on".formatted(host));
                require(
                        (int) function("listen", 2).invoke(descriptor, BACKLOG) == 0,
                        "address %s cannot be listened on".formatted(host));
                require(
                        (int)
                                        pointers("getsockname", ValueLayout.ADDRESS)
                                                .invoke(descriptor, address, length)
                                == 0,
                        "the port on %s cannot be read".formatted(host));
                done = true;
                int port =
                        Byte.toUnsignedInt(address.get(ValueLayout.JAVA_BYTE, 2)) << 8
                                | Byte.toUnsignedInt(address.get(ValueLayout.JAVA_BYTE, 3));
                return new ListeningSocket(descriptor, port);
            } finally {
                if (!done) {
                    function("close", 1).invoke(descriptor);
                }
            }
        } catch (TransportException e) {
            throw e;
        } catch (UnknownHostException e) {
            throw new TransportException("host %s is not known".formatted(host), e);
        } catch (Throwable e) {
            throw new IllegalStateException("the C library's sockets cannot be called", e);
        }
    }

    private static void require(boolean condition, String sentence) throws TransportException {
        if (!condition) {
            throw new TransportException(sentence);
        }
    }

    @SuppressWarnings("restricted")
    private static MethodHandle function(String name, int ints) {
        ValueLayout[] arguments = new ValueLayout[ints];
        java.util.Arrays.fill(arguments, ValueLayout.JAVA_INT);
        Linker linker = Linker.nativeLinker();
        return linker.downcallHandle(
                linker.defaultLookup().findOrThrow(name),
                FunctionDescriptor.of(ValueLayout.JAVA_INT, arguments));
    }

    @SuppressWarnings("restricted")
    private static MethodHandle pointers(String name, ValueLayout last) {
        Linker linker = Linker.nativeLinker();
        return linker.downcallHandle(
                linker.defaultLookup().findOrThrow(name),
                FunctionDescriptor.of(
                        ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.ADDRESS, last));
    }
}
