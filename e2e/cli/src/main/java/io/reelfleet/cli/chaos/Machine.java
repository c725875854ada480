package io.reelfleet.cli.chaos;

import io.reelfleet.cli.Failure;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * What this machine gives for faults: a network of the fleet's own, a disk of its own under the
 * store, clocks that can be set. Each is tried, and where one does not work a sentence says so and
 * its faults are left out.
 */
final class Machine implements AutoCloseable {
    /** Set for the process that runs in namespaces of its own. */
    static final String ISOLATED = "REELFLEET_CHAOS_ISOLATED";

    private static final String TABLE = "reelfleet_chaos";
    private static final String DISK_SIZE = "512m";

    private final Set<Fault.Need> there = EnumSet.of(Fault.Need.NOTHING);
    private final List<String> missing = new ArrayList<>();
    private final Map<String, String> environment = new LinkedHashMap<>();
    private final Path store;
    private final Path folder;
    private boolean mounted;

    private Machine(Path folder, Path store) {
        this.folder = folder;
        this.store = store;
    }

    /**
     * Tries what there is.
     *
     * @param folder for files of its own
     * @param store the chunk store's folder, empty, which may get a disk of its own
     */
    static Machine find(Path folder, Path store) throws InterruptedException, IOException {
        Files.createDirectories(folder);
        Files.createDirectories(store);
        Machine machine = new Machine(folder, store);
        machine.tryNetwork();
        machine.tryDisk();
        machine.tryClock();
        return machine;
    }

    /** What works. */
    Set<Fault.Need> there() {
        return there;
    }

    /** A sentence for each thing that does not. */
    List<String> missing() {
        return List.copyOf(missing);
    }

    /** Variables that the fleet's parts need for their clocks to be set. */
    Map<String, String> environment() {
        return Map.copyOf(environment);
    }

    private void tryNetwork() throws InterruptedException {
        if (System.getenv(ISOLATED) == null) {
            missing.add(
                    "No network cuts: unshare cannot give the fleet a network of its own here (it needs root or user namespaces).");
            return;
        }
        Programs.Said up = Programs.run("ip", "link", "set", "lo", "up");
        if (!up.well()) {
            throw new Failure("the fleet's own network has no loopback: " + up.text());
        }
        Programs.Said table = Programs.run("nft", "add", "table", "inet", TABLE);
        if (!table.well()) {
            missing.add("No network cuts: nft does not work here (" + table.text() + ").");
            return;
        }
        there.add(Fault.Need.NETWORK);
        heal();
    }

    private void tryDisk() throws InterruptedException, IOException {
        if (System.getenv(ISOLATED) == null) {
            missing.add("No full or stalled disk: the store cannot get a disk of its own here.");
            return;
        }
        Path image = folder.resolve("disk.img");
        try (FileChannel file =
                FileChannel.open(
                        image,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE)) {
            file.write(ByteBuffer.wrap(new byte[1]), (512L << 20) - 1);
        }
        boolean loop =
                Programs.run("mkfs.ext4", "-q", "-F", "-m", "0", image.toString()).well()
                        && Programs.run("mount", "-o", "loop", image.toString(), store.toString())
                                .well();
        if (loop) {
            mounted = true;
            there.add(Fault.Need.DISK);
            boolean freezes =
                    Programs.run("fsfreeze", "--freeze", store.toString()).well()
                            && Programs.run("fsfreeze", "--unfreeze", store.toString()).well();
            if (freezes) {
                there.add(Fault.Need.FREEZE);
            } else {
                missing.add("No stalled disk: fsfreeze does not work here.");
            }
            return;
        }
        Files.deleteIfExists(image);
        Programs.Said small =
                Programs.run(
                        "mount",
                        "-t",
                        "tmpfs",
                        "-o",
                        "size=" + DISK_SIZE,
                        "reelfleet-chaos",
                        store.toString());
        if (small.well()) {
            mounted = true;
            there.add(Fault.Need.DISK);
            missing.add("No stalled disk: it needs a loop device, which is not to be had here.");
        } else {
            missing.add(
                    "No full or stalled disk: nothing can be mounted here (" + small.text() + ").");
        }
    }

    private void tryClock() throws InterruptedException, IOException {
        Path source = folder.resolve("clock.c");
        Path library = folder.resolve("clock.so");
        try (InputStream in = Machine.class.getResourceAsStream("clock.c")) {
            Files.write(source, in.readAllBytes());
        }
        Programs.Said built =
                Programs.run(
                        "cc",
                        "-O1",
                        "-shared",
                        "-fPIC",
                        "-o",
                        library.toString(),
                        source.toString(),
                        "-ldl");
        if (!built.well()) {
            missing.add(
                    "No clock jumps: there is no C compiler for the few lines that set one part's clock.");
            return;
        }
        Path clocks = Files.createDirectories(folder.resolve("clocks"));
        environment.put("LD_PRELOAD", library.toString());
        environment.put("REELFLEET_CHAOS_CLOCKS", clocks.toString());
        there.add(Fault.Need.CLOCK);
    }

    /** Sets one process's wall clock, by seconds beside the machine's. */
    void setClock(long pid, long seconds) throws IOException {
        Path file = folder.resolve("clocks").resolve(Long.toString(pid));
        ByteBuffer value = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.nativeOrder());
        value.putLong(0, seconds);
        try (FileChannel channel =
                FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            channel.write(value, 0);
        }
    }

    /** Nothing goes to or from this port. */
    void cut(int port) throws InterruptedException {
        rule("tcp dport " + port);
        rule("tcp sport " + port);
    }

    /** Nothing goes between ports that are none of these. */
    void cutBut(Set<Integer> ports) throws InterruptedException {
        String list =
                "{ " + ports.stream().map(String::valueOf).collect(Collectors.joining(", ")) + " }";
        rule("tcp dport != " + list + " tcp sport != " + list);
    }

    private static void rule(String match) throws InterruptedException {
        List<String> command =
                new ArrayList<>(List.of("nft", "add", "rule", "inet", TABLE, "cuts"));
        command.addAll(List.of(match.split(" ")));
        command.add("drop");
        Programs.must(command.toArray(String[]::new));
    }

    /** The network is whole again. */
    void heal() throws InterruptedException {
        if (!there.contains(Fault.Need.NETWORK)) {
            return;
        }
        Programs.run("nft", "flush", "chain", "inet", TABLE, "cuts");
        Programs.must(
                "nft",
                "add",
                "chain",
                "inet",
                TABLE,
                "cuts",
                "{ type filter hook input priority 0; }");
    }

    /** Not a byte fits into the store. */
    void fill() throws InterruptedException, IOException {
        long left = Files.getFileStore(store).getUsableSpace();
        Programs.run("fallocate", "-l", Long.toString(left), store.resolve("full").toString());
        // What is left over in blocks that fallocate does not give away.
        byte[] rest = new byte[1 << 16];
        try (var out =
                Files.newOutputStream(
                        store.resolve("full.rest"),
                        StandardOpenOption.CREATE,
                        StandardOpenOption.TRUNCATE_EXISTING)) {
            for (int i = 0; i < 1024; i++) {
                out.write(rest);
            }
        } catch (IOException e) {
            // That is what was wanted.
        }
    }

    /** There is room again. */
    void empty() throws IOException {
        Files.deleteIfExists(store.resolve("full"));
        Files.deleteIfExists(store.resolve("full.rest"));
    }

    /** Who writes to the store waits. */
    void freeze() throws InterruptedException {
        Programs.must("fsfreeze", "--freeze", store.toString());
    }

    /** Writes go on. */
    void thaw() throws InterruptedException {
        Programs.must("fsfreeze", "--unfreeze", store.toString());
    }

    @Override
    public void close() {
        if (mounted) {
            try {
                Programs.run("umount", "--lazy", store.toString());
                Files.deleteIfExists(folder.resolve("disk.img"));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            } catch (IOException e) {
                // It lies in the run's folder, which is removed as a whole.
            }
        }
    }
}
