package io.reelfleet.operator.allocator;

import java.util.List;
import java.util.Map;

/**
 * Who calls the API.
 *
 * @param name for logs
 * @param groups as the API server knows them
 * @param extra as the API server knows it
 */
public record Caller(String name, List<String> groups, Map<String, List<String>> extra) {}
