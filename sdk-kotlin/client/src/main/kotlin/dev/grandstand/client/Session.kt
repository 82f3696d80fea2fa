// Whose profile this is. Every profile costs, so the one rule here is: never make one where there is one already. Making
// one happens in turn with all clients on the same storage, with a device key that is stored before the request is sent and
// stays beside the token: a fan who comes back after a crash in between, or whose token alone was lost, gets the same
// profile. The key is as good as the token, so it goes where the device is no longer that fan's.

package dev.grandstand.client

import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive

/** A profile and the credential that speaks for it. No data class: it never shows its token as text. */
internal class Own(
    val profile: Profile,
    val token: String,
)

/** What the session stores. */
private class Kept(
    val own: Own,
    /** Made by this library on this device, for a fan who is not signed in. */
    val isGuest: Boolean,
    /** Ids of anonymous profiles of this device that became this one: what they did may still wait here to be sent. */
    val former: List<String> = emptyList(),
) {
    fun toJson() =
        objectOf(
            "own" to objectOf("profile" to own.profile.toJson(), "token" to own.token),
            "isGuest" to isGuest,
            "former" to former,
        )
}

private fun keptOf(json: JsonElement): Kept {
    val own = json.jsonObject.getValue("own")
    return Kept(
        Own(profileOf(own.jsonObject.getValue("profile")), own.text("token")),
        json.flag("isGuest"),
        json.list("former") { it.jsonPrimitive.content },
    )
}

/** Who the fan is at one instant: read together, so that no token is mixed with another profile's activities. */
internal class Identity(
    val own: Own,
    val former: List<String>,
)

internal class Session(
    private val http: Http,
    private val store: Store,
    private val config: ClientConfig,
) {
    private val key = "grandstand:${config.clientId}@${http.root}"
    private val guestKey = "$key:guest"
    private val deviceKeyKey = "$key:device"
    private val path = "applications/${config.clientId}/profile/"
    private val tokens = config.tokenStorage

    /** Null before the first answer and after signing out. */
    @Volatile var current: Identity? = null
        private set

    /** The same as the program sees it. */
    val profile = MutableStateFlow<Profile?>(null)

    private fun become(now: Identity?) {
        current = now
        profile.value = now?.own?.profile
    }

    /** The token that the server was last asked about. */
    @Volatile private var tried: String? = null

    suspend fun start(): Profile =
        try {
            (config.accessToken?.ifEmpty { null } ?: readToken())?.let { loadPassed(it) } ?: findOrMake()
        } catch (error: InvalidTokenException) {
            if (config.onInvalidToken == OnInvalidToken.FAIL) throw error
            startAnew(tried)
        }.profile

    /** The fan signed in: the profile of the token, into which the anonymous one of this device was merged. */
    suspend fun identify(
        accessToken: String,
        tokens: FormerTokens,
    ): Profile =
        store.inTurn {
            val before = readKept()?.own ?: current?.own
            val account = load(accessToken)
            val anonymous = before?.takeIf { it.profile.customId == null && it.profile.id != account.profile.id }
            val whole = if (anonymous == null) account.profile else absorb(anonymous, account, tokens)
            keep(Own(whole, accessToken), isGuest = false, absorbed = anonymous?.profile?.id)
            whole
        }

    /** After the server answered with a newer state of the own profile. */
    suspend fun refresh(
        profile: Profile,
        token: String,
    ) {
        store.inTurn {
            if (current?.own?.token == token) keep(Own(profile, token), readKept()?.isGuest ?: false)
        }
    }

    suspend fun forget() {
        store.inTurn {
            val guest = readKept(guestKey)
            store.remove(guestKey)
            // The device's own profile comes back, unless it became the account's that is signed out.
            if (guest != null && guest.own.profile.id != profile.value?.id) {
                store.set(key, guest.toJson().toString())
            } else {
                store.remove(deviceKeyKey) // first: who has the device next must not get this fan's profile by it
                store.remove(key)
            }
            become(null)
            writeToken(null)
        }
    }

    private suspend fun readToken(): String? = tokens?.let { onDisk { it.load() } }?.ifEmpty { null }

    /** What stands there already is not written again at each start: a keystore is slow, and may ask for a finger. */
    private suspend fun writeToken(token: String?) {
        if (tokens != null) onDisk { if (tokens.load() != token) tokens.store(token) }
    }

    private suspend fun load(token: String): Own {
        tried = token
        return Own(read(http.request(Sent("GET", path, token = token)), ::profileOf), token)
    }

    private suspend fun readKept(from: String = key): Kept? {
        val kept = readStored(store.get(from), ::keptOf) ?: return null
        // Nothing that was left by another application.
        if ((kept.own.profile.clientId ?: config.clientId) != config.clientId) return null
        if (tokens == null) return kept
        // The place of the application's own says whose profile there is. Here stands only by which token it was seen.
        val token = readToken()?.takeIf { fingerprint(it) == kept.own.token } ?: return null
        return Kept(Own(kept.own.profile, token), kept.isGuest, kept.former)
    }

    private suspend fun keep(
        own: Own,
        isGuest: Boolean,
        absorbed: String? = null,
    ): Own {
        val before = readKept()
        val isSame = before?.own?.profile?.id == own.profile.id
        val former = (if (isSame) before?.former.orEmpty() else emptyList()) + listOfNotNull(absorbed)
        become(Identity(own, former))
        // An account signed in: the device's own profile waits until they sign out, instead of being made again then.
        if (tokens == null && !isGuest && before?.isGuest == true && !isSame && before.own.profile.id != absorbed) {
            store.set(guestKey, before.toJson().toString())
        }
        val kept = if (tokens == null) own else Own(own.profile, fingerprint(own.token))
        store.set(key, Kept(kept, isGuest && own.profile.customId == null, former).toJson().toString())
        writeToken(own.token)
        return own
    }

    private suspend fun loadPassed(token: String): Own {
        val kept = readKept()
        return if (kept?.own?.token == token) resume(kept) else keep(load(token), isGuest = false)
    }

    private suspend fun findOrMake(): Own {
        readKept()?.let { return resume(it) }
        return store.inTurn { readKept()?.let { resume(it) } ?: make() }
    }

    private suspend fun resume(kept: Kept): Own {
        val own =
            try {
                load(kept.own.token)
            } catch (error: GrandstandException) {
                // No answer: the fan goes on as who they were, and what they do waits in the queue.
                if (!isTemporary(error)) throw error
                kept.own
            }
        return keep(own, kept.isGuest)
    }

    private suspend fun make(): Own {
        val deviceKey = store.get(deviceKeyKey) ?: randomId().also { store.set(deviceKeyKey, it) }
        val answer = http.request(Sent("POST", path, objectOf("nickname" to config.nickname, "device_key" to deviceKey)))
        val own = keep(read(answer) { Own(profileOf(it), it.text("access_token")) }, isGuest = true)
        // Where a place of the application's own has no token, there is to be no profile.
        if (tokens != null) store.remove(deviceKeyKey)
        return own
    }

    /** A profile that is not the dead token's: one that is kept, or a new one. */
    private suspend fun startAnew(dead: String?): Own =
        store.inTurn {
            val kept = readKept()
            try {
                if (kept == null || kept.own.token == dead) make() else resume(kept)
            } catch (_: InvalidTokenException) {
                make()
            }
        }

    /** The account with the anonymous profile in it, or as it is where that can never be: its token is dead. */
    private suspend fun absorb(
        anonymous: Own,
        into: Own,
        tokens: FormerTokens,
    ): Profile {
        val body = objectOf("access_token" to anonymous.token, "tokens" to tokens.name.lowercase())
        try {
            val answer = http.request(Sent("POST", "${path}merge/", body, into.token))
            return read(answer) { profileOf(it.jsonObject.getValue("profile")) }
        } catch (error: ApiException) {
            if ("access_token" in error.fields) return into.profile
            // After an answer that was lost, or by another client: both tokens are of one profile.
            if (error.status == 409 && load(anonymous.token).profile.id == into.profile.id) return into.profile
            throw error
        }
    }
}
