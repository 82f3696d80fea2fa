// One application on one server, for one fan: profile, activities and groups put together.

package dev.grandstand.client

import kotlinx.coroutines.CoroutineExceptionHandler
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Deferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.async
import kotlinx.coroutines.cancel
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.isActive
import kotlinx.coroutines.launch
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import java.time.Instant

/**
 * A fan of an application. Nothing is asked before [init]; every call may be made from any thread, and none of them works on the
 * caller's.
 *
 * Calls fail with a [GrandstandException]: an [ApiException] where the server said no, an [InvalidTokenException] where the fan's
 * token is dead, a [NetworkException] where nobody answered. Cancelling a call cancels its request; [init] and [flush] go on
 * for the others who wait for them.
 */
public class GrandstandClient(
    private val config: ClientConfig,
) : AutoCloseable {
    private val scope =
        CoroutineScope(SupervisorJob() + Dispatchers.Default + CoroutineExceptionHandler { _, _ -> })
    private val http = Http(config.endpoint, config)
    private val store = Store(config.storage)
    private val session = Session(http, store, config)
    private val queue =
        ActivityQueue(http, store, config, config.accessToken.isNullOrEmpty(), scope) { session.current }
    private val ownGroups = OwnGroups(http, config, session.profile, ::own, scope)
    private var starting: Deferred<Profile>? = null

    public constructor(
        clientId: String,
        endpoint: String,
        storage: KeyValueStorage,
        configure: ClientConfig.() -> Unit = {},
    ) : this(ClientConfig(clientId, endpoint, storage).apply(configure))

    /** The own profile as it was last seen: null before [init] and after [signOut]. */
    public val profile: StateFlow<Profile?> = session.profile.asStateFlow()

    /** Speaks for the own profile: keep it as a password. Null before [init] and after [signOut]. */
    public val accessToken: String? get() = session.current?.own?.token

    /**
     * The fan's profile: the one of the passed token, else the stored one, else a new one. Called several times at once, by one client
     * or by several on one storage, it makes one profile.
     *
     * Where nobody answers, a stored profile is answered as it was last seen.
     */
    public suspend fun init(): Profile = start().await()

    private fun start(): Deferred<Profile> =
        synchronized(scope) {
            check(scope.isActive) { "This client was closed." }
            starting?.takeIf { it.isActive } ?: scope
                .async {
                    session.start().also { queue.open(it.id, session.current?.former.orEmpty()) }
                }.also { starting = it }
        }

    /** The own profile, waiting for it if it is on its way. Nothing but [init] itself makes one. */
    private suspend fun own(): Own {
        check(scope.isActive) { "This client was closed." }
        session.current?.let { return it.own }
        synchronized(scope) { starting }?.await()
        return checkNotNull(session.current) { "Call init first." }.own
    }

    /** Asks for the own profile anew. */
    public suspend fun refresh(): Profile = ofOwn("GET", null)

    /** The public part of another profile. */
    public suspend fun getProfile(id: String): PublicProfile {
        val answer = http.request(Sent("GET", "profiles/${segment(id)}/", token = own().token))
        return read(answer, ::publicProfileOf)
    }

    public suspend fun update(changes: ProfileChanges): Profile = ofOwn("PATCH", changes.toJson())

    /** `update { nickname("Ada"); attribute("team", "lions") }` */
    public suspend fun update(changes: ProfileChanges.() -> Unit): Profile = update(ProfileChanges().apply(changes))

    public suspend fun setNickname(nickname: String): Profile = update { nickname(nickname) }

    /**
     * Sets some attributes of the own profile and leaves the others as they are, also those that others change meanwhile.
     * A list is several values of one key; null removes a key.
     */
    public suspend fun setAttributes(values: Map<String, Any?>): Profile = update { attributes(values) }

    private suspend fun ofOwn(
        method: String,
        body: JsonObject?,
    ): Profile {
        val token = own().token
        val profile = read(http.request(Sent(method, "applications/${config.clientId}/profile/", body, token)), ::profileOf)
        session.refresh(profile, token)
        return profile
    }

    /**
     * Notes what the fan did and returns at once, with the activity's id. It is sent with others a moment later, again if that fails,
     * and after a restart if the app ended first.
     *
     * @param type one that the application has marked as the client's
     * @param data at most 4 KiB: text, numbers, booleans, lists and maps
     * @param occurredAt when it was something else than just now
     * @param id the same id again changes nothing
     */
    @JvmOverloads
    public fun track(
        type: String,
        data: Map<String, Any?> = emptyMap(),
        occurredAt: Instant? = null,
        id: String = randomId(),
        value: Long? = null,
    ): String {
        val activity = Activity(id, type, occurredAt?.toString(), value)
        try {
            // Now: what the caller changes afterwards is not meant.
            val sent = if (data.isEmpty()) null else toJson(data) as JsonObject
            queue.track(activity.copy(data = sent))
        } catch (error: IllegalArgumentException) {
            queue.reject(activity, error.message.orEmpty())
        }
        return id
    }

    /** Returns when everything tracked so far is acknowledged; fails if it could not be sent, and it is tried again later. */
    public suspend fun flush() {
        own()
        queue.flush()
    }

    /** Sends what waits now and returns at once: for an app that goes to the background. */
    public fun flushSoon(): Unit = queue.flushSoon()

    /** The groups that the own profile is in. */
    public suspend fun getGroups(): List<GroupMembership> = ownGroups.list()

    /** Whether the own profile is in a group, named by its id or custom id. */
    public suspend fun isMember(group: String): Boolean = ownGroups.isMember(group)

    /**
     * The own groups now, then whenever they change, for as long as somebody collects; all collectors share one connection. Ends with
     * an [InvalidTokenException] where the token is dead.
     */
    public fun groups(): Flow<List<GroupMembership>> = ownGroups.groups()

    /** As [groups], with who entered and left. */
    public fun groupChanges(): Flow<GroupsChange> = ownGroups.changes()

    /** Whether the own profile is in a group, now and whenever that changes. */
    public fun membership(group: String): Flow<Boolean> = ownGroups.membership(group)

    /**
     * The fan signed in: goes on as the profile of this token, for which your back end signed it. The anonymous profile of this device
     * comes along: it is merged into the account's, with all that it did, and what waits is sent as the account's. From one account
     * to another, nothing is merged. Repeating it is harmless. If it fails, the fan stays who they were.
     */
    @JvmOverloads
    public suspend fun identify(
        accessToken: String,
        formerTokens: FormerTokens = FormerTokens.REVOKE,
    ): Profile {
        check(scope.isActive) { "This client was closed." }
        synchronized(scope) { starting }?.join()
        val before = session.profile.value?.id
        // Not half: a caller who goes away leaves no fan whose activities are another's.
        return scope
            .async {
                val profile = session.identify(accessToken, formerTokens)
                val former = session.current?.former.orEmpty()
                if (before != null && before != profile.id && before !in former) queue.leave()
                queue.open(profile.id, former)
                profile
            }.await()
    }

    /** Sends what waits, then forgets the profile on this device. The next [init] resolves the device's own or a new one. */
    public suspend fun signOut() {
        if (session.current != null) {
            try {
                queue.flush()
            } catch (_: GrandstandException) {
                // It waits for this fan's return.
            }
        }
        scope
            .async {
                queue.leave()
                session.forget()
            }.await()
    }

    /** Any other call of the API, with the own profile's token; null where the answer is empty. */
    public suspend fun request(
        method: String,
        path: String,
        body: JsonElement? = null,
    ): JsonElement? = http.request(Sent(method, path, body, own().token))

    /** Ends timers and connections. What waits stays stored. */
    override fun close() {
        lastWrites.launch { closeAndWait() }
    }

    /** As [close]; returns when what waits is stored. */
    public suspend fun closeAndWait() {
        queue.persist()
        scope.cancel()
    }
}

/** Outlives the clients that write there. */
private val lastWrites = CoroutineScope(SupervisorJob() + Dispatchers.IO)
