package io.reelfleet.migration;

import java.net.SocketTimeoutException;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.checksums.RequestChecksumCalculation;
import software.amazon.awssdk.core.checksums.ResponseChecksumValidation;
import software.amazon.awssdk.core.exception.ApiCallAttemptTimeoutException;
import software.amazon.awssdk.core.exception.ApiCallTimeoutException;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.core.retry.RetryMode;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.NoSuchBucketException;
import software.amazon.awssdk.services.s3.model.NoSuchKeyException;
import software.amazon.awssdk.services.s3.model.S3Exception;
import software.amazon.awssdk.services.s3.model.S3Object;

/**
 * A chunk store in an S3 bucket. Objects are created with {@code If-None-Match: *}, which S3 and
 * the servers that follow it answer with 412 when the key is taken.
 *
 * <p>Credentials, region and endpoint come from where the AWS SDK looks for them: {@code
 * AWS_ACCESS_KEY_ID}, {@code AWS_SECRET_ACCESS_KEY}, {@code AWS_REGION}, {@code
 * AWS_ENDPOINT_URL_S3}, a web identity, an instance's role. With an endpoint of its own a bucket is
 * addressed by path.
 */
final class S3Store implements ChunkStore {
    private static final int UNAUTHORIZED = 401;
    private static final int FORBIDDEN = 403;
    private static final int NOT_FOUND = 404;
    private static final int CONFLICT = 409;
    private static final int PRECONDITION_FAILED = 412;
    private static final int TOO_MANY_REQUESTS = 429;
    private static final int UNAVAILABLE = 503;
    private static final int INSUFFICIENT_STORAGE = 507;
    private static final int MOST_CONFLICTS = 5;

    private static final Duration SILENCE = Duration.ofSeconds(20);
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private final S3Client client;
    private final String bucket;
    private final String prefix;

    S3Store(String bucket, String prefix) throws StoreException {
        this(bucket, prefix, SILENCE, PATIENCE);
    }

    /**
     * @param silence longest wait for the next byte of an answer
     * @param patience longest wait for one operation with all its tries
     */
    S3Store(String bucket, String prefix, Duration silence, Duration patience)
            throws StoreException {
        this.bucket = bucket;
        this.prefix = prefix.isEmpty() || prefix.endsWith("/") ? prefix : prefix + "/";
        try {
            this.client =
                    S3Client.builder()
                            .httpClientBuilder(
                                    UrlConnectionHttpClient.builder()
                                            .connectionTimeout(Duration.ofSeconds(5))
                                            .socketTimeout(silence))
                            .overrideConfiguration(
                                    o ->
                                            // Each try after a longer pause, by chance and twice as
                                            // long
                                            // after a slow-down.
                                            o.retryStrategy(RetryMode.STANDARD)
                                                    .apiCallTimeout(patience))
                            .forcePathStyle(ownEndpoint())
                            // Other servers than AWS's do not all know the newer checksums.
                            .requestChecksumCalculation(RequestChecksumCalculation.WHEN_REQUIRED)
                            .responseChecksumValidation(ResponseChecksumValidation.WHEN_REQUIRED)
                            .build();
        } catch (SdkException e) {
            throw new StoreException(
                    "the chunk store %s cannot be opened: %s; set AWS_REGION and credentials"
                            .formatted(location(), e.getMessage()),
                    e);
        }
    }

    /** The bucket and prefix that an {@code s3://bucket/prefix} URI names. */
    static S3Store open(URI uri) throws StoreException {
        String path = uri.getPath() == null ? "" : uri.getPath();
        return new S3Store(uri.getHost(), path.startsWith("/") ? path.substring(1) : path);
    }

    private static boolean ownEndpoint() {
        return System.getenv("AWS_ENDPOINT_URL_S3") != null
                || System.getenv("AWS_ENDPOINT_URL") != null
                || System.getProperty("aws.endpointUrlS3") != null
                || System.getProperty("aws.endpointUrl") != null;
    }

    @Override
    public boolean createIfAbsent(String key, byte[] bytes) throws StoreException {
        StoreKeys.check(key);
        for (int attempt = 1; ; attempt++) {
            try {
                client.putObject(
                        request -> request.bucket(bucket).key(prefix + key).ifNoneMatch("*"),
                        RequestBody.fromBytes(bytes));
                return true;
            } catch (AwsServiceException e) {
                if (e.statusCode() == PRECONDITION_FAILED) {
                    return false;
                }
                // Two creates at once: one of them is told to try again and then finds the key
                // taken.
                if (e.statusCode() != CONFLICT || attempt == MOST_CONFLICTS) {
                    throw failed("cannot be written (" + key + ")", e);
                }
            } catch (SdkException e) {
                throw failed("cannot be written (" + key + ")", e);
            }
        }
    }

    @Override
    public Optional<byte[]> read(String key) throws StoreException {
        StoreKeys.check(key);
        try {
            return Optional.of(
                    client.getObjectAsBytes(request -> request.bucket(bucket).key(prefix + key))
                            .asByteArrayUnsafe());
        } catch (NoSuchKeyException e) {
            return Optional.empty();
        } catch (SdkException e) {
            throw failed("cannot be read (" + key + ")", e);
        }
    }

    @Override
    public List<String> list(String keyPrefix) throws StoreException {
        StoreKeys.checkPrefix(keyPrefix);
        try {
            List<String> keys = new ArrayList<>();
            client
                    .listObjectsV2Paginator(
                            request -> request.bucket(bucket).prefix(prefix + keyPrefix))
                    .contents()
                    .stream()
                    .map(S3Object::key)
                    .forEach(key -> keys.add(key.substring(prefix.length())));
            keys.sort(null);
            return keys;
        } catch (SdkException e) {
            throw failed("cannot be listed (" + keyPrefix + ")", e);
        }
    }

    @Override
    public List<String> folders(String keyPrefix) throws StoreException {
        StoreKeys.checkPrefix(keyPrefix);
        String whole = prefix + keyPrefix;
        try {
            return client
                    .listObjectsV2Paginator(
                            request -> request.bucket(bucket).prefix(whole).delimiter("/"))
                    .commonPrefixes()
                    .stream()
                    .map(each -> each.prefix().substring(whole.length()))
                    .map(each -> each.substring(0, each.length() - 1))
                    .sorted()
                    .toList();
        } catch (SdkException e) {
            throw failed("cannot be listed (" + keyPrefix + ")", e);
        }
    }

    @Override
    public void delete(String keyPrefix) throws StoreException {
        deleteAll(list(keyPrefix));
    }

    @Override
    public void deleteAll(List<String> keys) throws StoreException {
        for (String key : keys) {
            StoreKeys.check(key);
            try {
                client.deleteObject(request -> request.bucket(bucket).key(prefix + key));
            } catch (SdkException e) {
                throw failed("cannot be deleted from (" + key + ")", e);
            }
        }
    }

    @Override
    public String location() {
        return "s3://" + bucket + "/" + prefix;
    }

    @Override
    public void close() {
        client.close();
    }

    private StoreException failed(String what, SdkException e) {
        if (e instanceof NoSuchBucketException
                || (e instanceof S3Exception s3
                        && s3.statusCode() == NOT_FOUND
                        && s3.awsErrorDetails() != null
                        && "NoSuchBucket".equals(s3.awsErrorDetails().errorCode()))) {
            return new StoreException(
                    "the bucket of reelfleet.store %s does not exist: make it or name another"
                            .formatted(location()),
                    e);
        }
        if (e instanceof S3Exception s3 && s3.statusCode() == INSUFFICIENT_STORAGE) {
            return new StoreFullException(
                    "the storage behind the chunk store %s is full: free space there or set reelfleet.store to another bucket"
                            .formatted(location()),
                    e);
        }
        return new StoreException(
                "the chunk store %s %s: %s".formatted(location(), what, reason(e)), e);
    }

    private static String reason(SdkException e) {
        if (e instanceof ApiCallTimeoutException
                || e instanceof ApiCallAttemptTimeoutException
                || hasCause(e, SocketTimeoutException.class)) {
            return "its server does not answer in time";
        }
        if (e instanceof AwsServiceException service) {
            String code =
                    service.statusCode()
                            + (service.awsErrorDetails() == null
                                    ? ""
                                    : " " + service.awsErrorDetails().errorCode());
            return switch (service.statusCode()) {
                case FORBIDDEN, UNAUTHORIZED ->
                        "its server refuses these credentials (%s); let them get, put, list and delete there"
                                .formatted(code);
                case UNAVAILABLE, TOO_MANY_REQUESTS ->
                        "it is busy (%s); it is tried again".formatted(code);
                default -> "its server answers %s".formatted(code);
            };
        }
        return e.getMessage();
    }

    private static boolean hasCause(Throwable e, Class<?> type) {
        for (Throwable cause = e; cause != null; cause = cause.getCause()) {
            if (type.isInstance(cause)) {
                return true;
            }
        }
        return false;
    }
}
