<?php
// task-status as a careful PHP programmer writes it: HS256 by hash_hmac, a
// persistent PDO connection, a prepared statement. PHP-FPM with opcache.
declare(strict_types=1);

function answer(int $status, array $body): never {
    http_response_code($status);
    header('Content-Type: application/json');
    echo json_encode($body, JSON_UNESCAPED_SLASHES);
    exit;
}

function decode(string $part): string {
    $raw = base64_decode(strtr($part, '-_', '+/'), true);
    if ($raw === false) {
        answer(401, ['error' => 'Invalid padding']);
    }
    return $raw;
}

function user_of(string $header): string {
    $words = explode(' ', $header);
    if (count($words) !== 2 || strcasecmp($words[0], 'bearer') !== 0) {
        answer(401, ['error' => 'Invalid authorization header format']);
    }
    $parts = explode('.', $words[1]);
    if (count($parts) !== 3) {
        answer(401, ['error' => 'Not enough segments']);
    }
    $head = json_decode(decode($parts[0]), true);
    if (($head['alg'] ?? '') !== 'HS256') {
        answer(401, ['error' => 'The specified alg value is not allowed']);
    }
    $mac = hash_hmac('sha256', "$parts[0].$parts[1]", getenv('BENCH_JWT_SECRET'), true);
    if (!hash_equals($mac, decode($parts[2]))) {
        answer(401, ['error' => 'Signature verification failed']);
    }
    $claims = json_decode(decode($parts[1]), true);
    if (!is_int($claims['exp'] ?? null) || $claims['exp'] < time()) {
        answer(401, ['error' => 'Token has expired']);
    }
    if (($claims['type'] ?? '') !== 'access' || !is_string($claims['user_id'] ?? null)) {
        answer(401, ['error' => 'Invalid token type. Expected access']);
    }
    return $claims['user_id'];
}

$user = user_of($_SERVER['HTTP_AUTHORIZATION'] ?? '');
$id = (int) substr(strrchr($_SERVER['REQUEST_URI'], '/'), 1);
$db = new PDO(
    'mysql:unix_socket=' . getenv('BENCH_DB_SOCKET') . ';dbname=' . getenv('BENCH_DB_NAME') . ';charset=utf8mb4',
    getenv('BENCH_DB_USER'), '',
    [PDO::ATTR_PERSISTENT => true, PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION],
);
$query = $db->prepare(
    'SELECT u.disabled_at IS NOT NULL AS disabled, t.id, t.status, t.prompt, t.repo_url, t.target_branch, t.agent,'
    . ' t.commit_hash, t.changed_files, t.error, t.created_at, t.project_id'
    . ' FROM users u LEFT JOIN tasks t ON t.id = ? AND t.user_id = u.id WHERE u.id = ?');
$query->execute([$id, $user]);
$row = $query->fetch(PDO::FETCH_ASSOC);
if ($row === false || $row['disabled']) {
    answer(401, ['error' => 'User not found']);
}
if ($row['id'] === null) {
    answer(404, ['error' => 'Task not found']);
}
answer(200, ['status' => 'success', 'task' => [
    'id' => (int) $row['id'],
    'status' => $row['status'],
    'prompt' => $row['prompt'],
    'repo_url' => $row['repo_url'],
    'branch' => $row['target_branch'],
    'model' => $row['agent'],
    'commit_hash' => $row['commit_hash'],
    'changed_files' => json_decode($row['changed_files'] ?? '[]', true),
    'error' => $row['error'],
    'created_at' => str_replace(' ', 'T', $row['created_at']) . '+00:00',
    'project_id' => $row['project_id'] === null ? null : (int) $row['project_id'],
]]);
