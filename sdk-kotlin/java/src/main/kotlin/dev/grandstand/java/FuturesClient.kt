// The client for Java: the same calls as futures, and streams as listeners.

package dev.grandstand.java

import dev.grandstand.client.ClientConfig
import dev.grandstand.client.FormerTokens
import dev.grandstand.client.GrandstandClient
import dev.grandstand.client.GroupMembership
import dev.grandstand.client.GroupsChange
import dev.grandstand.client.Profile
import dev.grandstand.client.ProfileChanges
import dev.grandstand.client.PublicProfile
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.flow.catch
import kotlinx.coroutines.flow.launchIn
import kotlinx.coroutines.flow.onEach
import kotlinx.coroutines.future.future
import java.util.concurrent.CompletableFuture
import java.util.function.Consumer

/**
 * A [GrandstandClient] for Java. Futures fail with the exceptions of the client, in the CompletionException that futures wrap
 * them in; cancelling a future cancels its request.
 */
public class FuturesClient(
    public val client: GrandstandClient,
) : AutoCloseable {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)

    public constructor(config: ClientConfig) : this(GrandstandClient(config))

    /** The own profile as it was last seen, null before [init]. */
    public val profile: Profile? get() = client.profile.value

    public fun init(): CompletableFuture<Profile> = scope.future { client.init() }

    public fun refresh(): CompletableFuture<Profile> = scope.future { client.refresh() }

    public fun getProfile(id: String): CompletableFuture<PublicProfile> = scope.future { client.getProfile(id) }

    public fun update(changes: ProfileChanges): CompletableFuture<Profile> = scope.future { client.update(changes) }

    @JvmOverloads
    public fun track(
        type: String,
        data: Map<String, Any?> = emptyMap(),
    ): String = client.track(type, data)

    public fun flush(): CompletableFuture<Void?> =
        scope.future {
            client.flush()
            null
        }

    public fun getGroups(): CompletableFuture<List<GroupMembership>> = scope.future { client.getGroups() }

    public fun isMember(group: String): CompletableFuture<Boolean> = scope.future { client.isMember(group) }

    /** Tells the own groups, then whenever they change, on a background thread. Closing what it returns ends it. */
    public fun onGroupsChange(
        listener: Consumer<GroupsChange>,
        onError: Consumer<Throwable>,
    ): AutoCloseable {
        val job =
            client
                .groupChanges()
                .onEach { listener.accept(it) }
                .catch { onError.accept(it) }
                .launchIn(scope)
        return AutoCloseable { job.cancel() }
    }

    @JvmOverloads
    public fun identify(
        accessToken: String,
        formerTokens: FormerTokens = FormerTokens.REVOKE,
    ): CompletableFuture<Profile> = scope.future { client.identify(accessToken, formerTokens) }

    public fun signOut(): CompletableFuture<Void?> =
        scope.future {
            client.signOut()
            null
        }

    override fun close() {
        scope.cancel()
        client.close()
    }
}
