package io.reelfleet.operator.kubernetes;

import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.javaoperatorsdk.operator.api.reconciler.Context;
import io.javaoperatorsdk.operator.api.reconciler.ControllerConfiguration;
import io.javaoperatorsdk.operator.api.reconciler.EventSourceContext;
import io.javaoperatorsdk.operator.api.reconciler.Reconciler;
import io.javaoperatorsdk.operator.api.reconciler.UpdateControl;
import io.javaoperatorsdk.operator.processing.event.source.EventSource;
import io.reelfleet.crds.GPUPool;
import io.reelfleet.crds.GPUPoolStatus;
import io.reelfleet.operator.FleetAccess;
import io.reelfleet.operator.fleet.Fleets;
import io.reelfleet.operator.fleet.PoolDefinitions;
import io.reelfleet.operator.fleet.PoolView;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Tells the fleet loop what a GPUPool asks for and mirrors its view into status, every ten seconds
 * at most.
 */
@ControllerConfiguration(name = "gpupool")
public class PoolReconciler implements Reconciler<GPUPool> {
    private static final long WRITE_MILLIS = 10_000;

    private final FleetAccess operator;
    private final Wake wake;
    private final Deletions deletions;

    /** When a pool's status was last written, by uid. */
    private final Map<String, Long> written = new ConcurrentHashMap<>();

    /** GPU-hours that were used before this operator led, by uid. */
    private final Map<String, BigDecimal> hoursBefore = new ConcurrentHashMap<>();

    /** For the container, and for tests. */
    public PoolReconciler(FleetAccess operator, Wake wake, Deletions deletions) {
        this.operator = operator;
        this.wake = wake;
        this.deletions = deletions;
    }

    @Override
    public List<EventSource<?, GPUPool>> prepareEventSources(EventSourceContext<GPUPool> context) {
        deletions.pools(context.getPrimaryCache());
        return List.of(wake.pools());
    }

    @Override
    public UpdateControl<GPUPool> reconcile(GPUPool pool, Context<GPUPool> context) {
        Fleets fleets = operator.fleets();
        String uid = pool.getMetadata().getUid();
        String name = pool.getMetadata().getNamespace() + "/" + pool.getMetadata().getName();
        if (pool.getMetadata().getDeletionTimestamp() != null) {
            fleets.remove(name, uid);
            written.remove(uid);
            hoursBefore.remove(uid);
            return UpdateControl.noUpdate();
        }
        fleets.apply(
                PoolDefinitions.of(pool, pool.getMetadata().getNamespace(), operator.settings()));
        Optional<PoolView> view = fleets.pool(name);
        long now = operator.clock().millis();
        long wait = written.getOrDefault(uid, 0L) + WRITE_MILLIS - now;
        if (view.isEmpty() || wait > 0) {
            return UpdateControl.<GPUPool>noUpdate()
                    .rescheduleAfter(Duration.ofMillis(Math.max(wait, 500)));
        }
        BigDecimal before = hoursBefore.computeIfAbsent(uid, u -> hours(pool.getStatus()));
        GPUPoolStatus status = PoolStatus.of(pool, view.get(), before, operator.clock());
        if (status.equals(pool.getStatus())) {
            return UpdateControl.<GPUPool>noUpdate()
                    .rescheduleAfter(Duration.ofMillis(WRITE_MILLIS));
        }
        written.put(uid, now);
        GPUPool mirror = new GPUPool();
        mirror.setMetadata(
                new ObjectMetaBuilder()
                        .withName(pool.getMetadata().getName())
                        .withNamespace(pool.getMetadata().getNamespace())
                        .build());
        mirror.setStatus(status);
        return UpdateControl.patchStatus(mirror).rescheduleAfter(Duration.ofMillis(WRITE_MILLIS));
    }

    private static BigDecimal hours(GPUPoolStatus status) {
        try {
            return status == null || status.gpuHours() == null
                    ? BigDecimal.ZERO
                    : new BigDecimal(status.gpuHours());
        } catch (NumberFormatException e) {
            return BigDecimal.ZERO;
        }
    }
}
