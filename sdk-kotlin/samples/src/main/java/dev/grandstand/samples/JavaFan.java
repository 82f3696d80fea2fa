package dev.grandstand.samples;

import dev.grandstand.client.ClientConfig;
import dev.grandstand.client.FileStorage;
import dev.grandstand.client.Profile;
import dev.grandstand.client.ProfileChanges;
import dev.grandstand.java.FuturesClient;
import java.io.File;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/** The same from Java. */
public final class JavaFan {
    private JavaFan() {}

    public static CompletableFuture<Profile> start(String clientId, String endpoint, File folder) {
        FuturesClient fan = new FuturesClient(new ClientConfig(clientId, endpoint, new FileStorage(folder)));
        return fan.init()
            .thenCompose(profile -> fan.update(new ProfileChanges().nickname("Ada").attribute("team", "lions")))
            .thenCompose(profile -> {
                fan.track("poll-voted", Map.of("poll", "man-of-the-match"));
                return fan.flush().thenApply(done -> profile);
            });
    }
}
