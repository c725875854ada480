package io.reelfleet.cli;

import io.reelfleet.cli.fleet.Checkout;
import io.reelfleet.cli.fleet.FleetFolder;
import io.reelfleet.cli.fleet.KubePrograms;
import io.reelfleet.cli.fleet.LocalFleet;
import io.reelfleet.cli.fleet.PoolDocument;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code reelfleet up}. */
@Command(
        name = "up",
        description =
                "Start a fleet on this machine that stays: operator, gateway, workers as load comes.",
        mixinStandardHelpOptions = true,
        sortOptions = false)
final class UpCommand implements Callable<Integer> {
    @Option(
            names = "--workers",
            paramLabel = "N",
            defaultValue = "3",
            description = "Most workers (default: ${DEFAULT-VALUE}).")
    private int workers;

    @Option(
            names = "--capacity",
            paramLabel = "C",
            defaultValue = "2",
            description =
                    "Most active sessions on one worker (default: ${DEFAULT-VALUE}); './reelfleet demo' measures it.")
    private int capacity;

    @Option(
            names = "--model",
            paramLabel = "URI",
            defaultValue = "builtin:shapes",
            description = "builtin:shapes or file:/dir (default: ${DEFAULT-VALUE}).")
    private String model;

    @Option(
            names = "--port",
            paramLabel = "PORT",
            defaultValue = "8081",
            description = "Of the page and the videos, 0 for any (default: ${DEFAULT-VALUE}).")
    private int port;

    @Option(
            names = "--api-port",
            paramLabel = "PORT",
            defaultValue = "8080",
            description = "Of the operator, 0 for any (default: ${DEFAULT-VALUE}).")
    private int apiPort;

    @Option(
            names = "--no-kubernetes",
            description = "No API server for kubectl, even when its programs are at hand.")
    private boolean noKubernetes;

    @Spec private CommandSpec spec;

    @Override
    public Integer call() throws Exception {
        Checks.between("--workers", workers, 1, 64);
        Checks.between("--capacity", capacity, 1, 1000);
        Checks.between("--port", port, 0, 65535);
        Checks.between("--api-port", apiPort, 0, 65535);
        Checks.modelUri(model);
        PrintWriter out = spec.commandLine().getOut();
        FleetFolder folder = FleetFolder.ofUp();
        Optional<FleetFolder.Running> before = folder.running();
        if (before.isPresent() && LocalFleet.lives(folder, before.get())) {
            throw new Failure(
                    "a fleet is up already (operator process "
                            + before.get().operatorPid()
                            + ", page "
                            + before.get().gatewayUrl()
                            + "): run ./reelfleet down first");
        }
        PoolDocument pool =
                new PoolDocument(
                        model,
                        PoolDocument.Mode.PREDICTIVE,
                        1,
                        workers,
                        capacity,
                        Duration.ofMillis(1500),
                        Duration.ofSeconds(30));
        Checkout checkout = Checkout.find();
        Optional<KubePrograms> kube = noKubernetes ? Optional.empty() : KubePrograms.find(checkout);
        out.println(
                "Starting "
                        + (kube.isPresent() ? "etcd, the API server, " : "")
                        + "operator and gateway ...");
        out.flush();
        Thread main = Thread.currentThread();
        Signals.onFirstStop(main::interrupt);
        LocalFleet fleet;
        try {
            fleet =
                    LocalFleet.start(
                            new LocalFleet.Settings(
                                    folder,
                                    checkout,
                                    pool,
                                    apiPort,
                                    port,
                                    Duration.ofSeconds(60),
                                    false,
                                    kube));
        } catch (InterruptedException e) {
            out.println("Stopped; nothing is up.");
            return 130;
        }
        out.println(
                "The fleet is up: pool "
                        + PoolDocument.NAME
                        + " with at most "
                        + workers
                        + (workers == 1 ? " worker." : " workers."));
        out.println("  page      " + fleet.gatewayUrl() + "/");
        out.println("  operator  " + folder.running().orElseThrow().operatorUrl());
        out.println("  folder    " + folder.path() + " (logs, videos)");
        if (fleet.kubeconfig().isPresent()) {
            out.println("  kubectl   export KUBECONFIG='" + fleet.kubeconfig().get() + "'");
            out.println(
                    "            "
                            + kube.orElseThrow().kubectlAsTyped()
                            + " apply -f docs/examples/session.yaml");
        } else {
            out.println(
                    "  open      ./reelfleet open -f docs/examples/session.yaml (kubectl cannot be used here: "
                            + (noKubernetes ? "--no-kubernetes" : KubePrograms.HOW_TO_GET_THEM)
                            + ")");
        }
        out.println("  stop      ./reelfleet down");
        return 0;
    }
}
