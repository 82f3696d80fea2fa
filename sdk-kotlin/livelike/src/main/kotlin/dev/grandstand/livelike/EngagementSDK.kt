// LiveLike's entry to profiles over a GrandstandClient: it starts by itself, and tells errors to its delegate.

package dev.grandstand.livelike

import android.content.Context
import android.os.Handler
import dev.grandstand.client.FileStorage
import dev.grandstand.client.GrandstandClient
import dev.grandstand.client.InvalidTokenException
import dev.grandstand.client.KeyValueStorage
import dev.grandstand.client.NetworkException
import dev.grandstand.client.Profile
import dev.grandstand.client.TokenStorage
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.flow.filterNotNull
import kotlinx.coroutines.launch
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import java.io.File
import java.util.concurrent.Executor

public interface IEngagement {
    /** The fan once known, then after each change of the profile. */
    public val userStream: Stream<LiveLikeUserApi>

    /** Null until the fan is known. */
    public val userAccessToken: String?

    /** Sent in the background; the stream tells when it is done, the error delegate when it could not be. */
    public fun updateChatNickname(nickname: String)

    /** Asks for the profile, beginning again where that failed. */
    public fun getCurrentUserDetails(liveLikeCallback: LiveLikeCallback<LiveLikeUserApi>)

    public fun profile(): UserProfileClient

    public fun close()
}

/** The same by the names of newer versions. */
public interface UserProfileClient {
    public val profileStream: Stream<LiveLikeUserApi>

    public fun getCurrentUserDetails(liveLikeCallback: (result: LiveLikeUserApi?, error: String?) -> Unit)

    public fun updateNickname(nickname: String)
}

/**
 * One fan of an application. The constructor returns at once and begins to look for the profile; delegates, callbacks and observers are
 * called on the main thread of an app, and on a background thread elsewhere.
 */
public class EngagementSDK private constructor(
    clientId: String,
    storage: KeyValueStorage,
    private val errorDelegate: ErrorDelegate?,
    originURL: String?,
    accessTokenDelegate: AccessTokenDelegate?,
    private val tell: Executor,
) : IEngagement {
    /** In an app. Without an `accessTokenDelegate` the token stands in a folder of the app that is not backed up. */
    @JvmOverloads
    public constructor(
        clientId: String,
        applicationContext: Context,
        errorDelegate: ErrorDelegate? = null,
        originURL: String? = null,
        accessTokenDelegate: AccessTokenDelegate? = null,
    ) : this(clientId, storageOf(applicationContext), errorDelegate, originURL, accessTokenDelegate, mainThreadOf(applicationContext))

    /** Elsewhere. */
    @JvmOverloads
    public constructor(
        clientId: String,
        storage: KeyValueStorage,
        errorDelegate: ErrorDelegate? = null,
        originURL: String? = null,
        accessTokenDelegate: AccessTokenDelegate? = null,
    ) : this(clientId, storage, errorDelegate, originURL, accessTokenDelegate, Executor { it.run() })

    /** What is new: attributes, activities, own groups, signing in. */
    public val client: GrandstandClient =
        GrandstandClient(
            clientId,
            requireNotNull(originURL ?: defaultOriginURL) {
                "EngagementSDK needs the address of your Grandstand: pass originURL, or set EngagementSDK.defaultOriginURL once."
            },
            storage,
        ) { tokenStorage = accessTokenDelegate?.let(::DelegateTokens) }

    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)
    private val inOrder = Mutex()
    private val stream = ObserverStream<LiveLikeUserApi>(tell)

    init {
        scope.launch { client.profile.filterNotNull().collect { stream.onNext(userOf(it)) } }
        scope.launch { attempt({ report(it) }) { client.init() } }
    }

    override val userStream: Stream<LiveLikeUserApi> get() = stream

    override val userAccessToken: String? get() = client.accessToken

    override fun updateChatNickname(nickname: String) {
        scope.launch {
            inOrder.withLock {
                attempt({ report(it) }) {
                    if (client.profile.value == null) client.init()
                    client.setNickname(nickname)
                }
            }
        }
    }

    override fun getCurrentUserDetails(liveLikeCallback: LiveLikeCallback<LiveLikeUserApi>) {
        scope.launch {
            attempt({ error -> tell.execute { liveLikeCallback.onResponse(null, error) } }) {
                val user = userOf(client.init())
                tell.execute { liveLikeCallback.onResponse(user, null) }
            }
        }
    }

    override fun profile(): UserProfileClient =
        object : UserProfileClient {
            override val profileStream get() = userStream

            override fun getCurrentUserDetails(liveLikeCallback: (LiveLikeUserApi?, String?) -> Unit) =
                this@EngagementSDK.getCurrentUserDetails(
                    object : LiveLikeCallback<LiveLikeUserApi>() {
                        override fun onResponse(
                            result: LiveLikeUserApi?,
                            error: String?,
                        ) = liveLikeCallback(result, error)
                    },
                )

            override fun updateNickname(nickname: String) = updateChatNickname(nickname)
        }

    override fun close() {
        scope.cancel()
        stream.clear()
        client.close()
    }

    private fun userOf(profile: Profile) = LiveLikeUserApi(profile.nickname, client.accessToken.orEmpty(), profile.id, profile.customData)

    private fun report(error: String) {
        if (errorDelegate != null) tell.execute { errorDelegate.onError(error) }
    }

    /** What fails is told and not thrown: also what the app's own delegate throws. */
    private suspend fun attempt(
        onError: (String) -> Unit,
        work: suspend () -> Unit,
    ) {
        try {
            work()
        } catch (error: CancellationException) {
            throw error
        } catch (error: Exception) {
            val isTheirs = error is NetworkException || error is InvalidTokenException
            onError(if (isTheirs) "Network error or invalid access token: ${error.message}" else error.message ?: error.toString())
        }
    }

    public companion object {
        /** The address of your Grandstand where the constructor is given none. */
        @JvmStatic
        @Volatile
        public var defaultOriginURL: String? = null
    }
}

private class DelegateTokens(
    private val delegate: AccessTokenDelegate,
) : TokenStorage {
    override fun load(): String? = delegate.getAccessToken()

    override fun store(token: String?) {
        if (token != delegate.getAccessToken()) delegate.storeAccessToken(token)
    }
}

/** As Context.getNoBackupFilesDir of newer Androids: a copy on another phone would be the same fan. */
private fun storageOf(context: Context) = FileStorage(File(context.applicationInfo.dataDir, "no_backup/grandstand"))

private fun mainThreadOf(context: Context): Executor {
    val handler = Handler(context.mainLooper)
    return Executor { handler.post(it) }
}
